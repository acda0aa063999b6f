// What the codes among an answer's warnings mean, in the page's words.

/**
 * @param {HTMLElement} holder of a text for each code, as attributes
 * @param {string[]} codes
 */
export function warningTexts(holder, codes) {
  return codes.map((code) => holder.getAttribute(`data-${code.replaceAll("_", "-")}`) ?? code);
}
