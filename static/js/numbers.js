// Numbers as the page writes them, in the same way as the server does.

/**
 * A probability in per cent, which is never rounded to certainty.
 *
 * @param {number} share
 * @returns {string}
 */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1\u00a0%";
  if (share < 1 && share >= 0.9995) return ">99.9\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/**
 * A dash where it is undefined; what rounds to zero has no minus.
 *
 * @param {number | null} value
 */
export const correlation = (value) => (value === null ? "–" : value.toFixed(2).replace("-0.00", "0.00").replace("-", "−"));
