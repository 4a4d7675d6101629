// What is wrong with the page as it stands: too wide, too small, too faint, or without a name for who can't see it. Gives the
// complaints as a list of strings; run by main.rs in the page.
(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide, the window ${root.clientWidth}`);
  const seen = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !node.closest('.quiet, .skip, [aria-hidden="true"]');
  const what = (node) => `${node.tagName.toLowerCase()} “${(node.textContent || node.id || '').trim().slice(0, 40)}”`;

  // Text: no smaller than 11 px, inside the window, and in contrast with what lies behind it (WCAG 1.4.3).
  const channels = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === undefined || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(node) || node.closest('script, noscript, option')) continue;
    const style = getComputedStyle(node);
    const size = parseFloat(style.fontSize);
    if (size < 11) found.push(`${what(node)} is ${size} px small`);
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect();
    if (box.right > root.clientWidth + 1 && !node.closest('.scroll')) found.push(`${what(node)} ends ${Math.round(box.right)} px to the right`);
    const [one, other] = [light(channels(style.color)), light(behind(node))].sort((left, right) => right - left);
    const ratio = (one + 0.05) / (other + 0.05);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${what(node)} has a contrast of ${ratio.toFixed(2)}`);
  }

  // Names and headings.
  if (document.querySelectorAll('main h1').length !== 1) found.push('the page has not one h1');
  for (const node of document.querySelectorAll('button, select, input, a, summary, [tabindex="0"]')) {
    if (!seen(node) && !node.closest('.quiet')) continue;
    const label = node.getAttribute('aria-label') || (node.labels && [...node.labels].map((one) => one.textContent).join('')) || node.textContent;
    if (!label?.trim()) found.push(`${node.outerHTML.slice(0, 80)} has no name`);
  }
  for (const node of document.querySelectorAll('img:not([alt]), canvas:not([role="img"] canvas)')) found.push(`${node.outerHTML.slice(0, 80)} says nothing`);
  for (const node of document.querySelectorAll('section')) if (!node.querySelector('h2')) found.push(`${what(node)} has no heading`);
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`two are called ${id}`);
  return [...new Set(found)].slice(0, 12);
})()
