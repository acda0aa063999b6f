// With JavaScript a test face opens in the live explorer; without it the links lead to pages the server draws.
for (const link of document.querySelectorAll("a")) {
  if (link.dataset.sample !== undefined) link.href = `/#sample=${link.dataset.sample}`;
}
