// A service that has no room is asked again.
import { ServiceError } from "./api.js";

const MOST_TRIES = 5;

/**
 * Ask again while the service has no room, each time after as long as it says.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {(text: string) => void} tell
 * @returns {Promise<T>}
 */
export async function patiently(ask, tell) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServiceError) || error.retryAfter === 0 || tries === MOST_TRIES) throw error;
      const { message, retryAfter } = error;
      tell(`${message}: trying again in ${retryAfter} s…`);
      await new Promise((done) => setTimeout(done, 1000 * retryAfter));
    }
  }
}
