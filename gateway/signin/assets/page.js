// Copying, and times in the reader's own zone. The pages work without it.
"use strict";

async function copied(text) {
  // the clipboard is there on https and on this machine only; elsewhere the old way serves
  if (window.isSecureContext && navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // refused by a policy or for lack of focus: the old way may still do
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "hide";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
  }
}

function marked(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    if (await copied(source.textContent)) {
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = label; }, 2000);
    } else {
      marked(source);
    }
    button.focus();
  });
}

// the page's language as this reader writes it: en-GB has other dates than en-US
const spoken = document.documentElement.lang;
const language = navigator.languages.find((one) => one.slice(0, 2) === spoken.slice(0, 2)) ?? spoken;
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const minute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  time.title = minute.format(moment);
  time.textContent = (time.closest(".key") ? day : minute).format(moment);
}
