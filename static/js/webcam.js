// A still from the webcam. The stream stops as soon as the dialog closes.
import { byId, closeOnBackdrop, context, dialogById, element } from "./dom.js";

/**
 * @param {(file: Blob) => void} onPicture
 * @param {(error: Error) => void} onError
 */
export function offerWebcam(onPicture, onError) {
  const dialog = dialogById("webcam");
  const video = /** @type {HTMLVideoElement} */ (byId("webcam-video"));
  const take = /** @type {HTMLButtonElement} */ (byId("webcam-take"));
  /** @type {MediaStream | null} */
  let stream = null;
  let asking = false;

  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    take.disabled = true;
  };

  byId("webcam-open").addEventListener("click", async () => {
    if (!window.isSecureContext) {
      onError(new Error("The webcam needs HTTPS or localhost. Choose a file instead."));
      return;
    }
    if (asking) return; // the browser's question is still open
    asking = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
    } catch {
      onError(new Error("The webcam cannot be used. Allow it in the browser's address bar, close other programs that use it, or choose a file."));
      return;
    } finally {
      asking = false;
    }
    video.srcObject = stream;
    dialog.showModal();
  });
  video.addEventListener("playing", () => {
    take.disabled = false;
  });
  closeOnBackdrop(dialog);
  dialog.addEventListener("close", stop);
  byId("webcam-close").addEventListener("click", () => dialog.close());
  take.addEventListener("click", () => {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    context(canvas).drawImage(video, 0, 0);
    dialog.close();
    canvas.toBlob((blob) => {
      if (blob !== null) onPicture(blob);
    }, "image/png");
  });
}
