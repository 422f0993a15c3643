// The demo's chat. Everything is put together from text nodes: what people and the bot write is
// never taken for HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const NAMES = { alice: "Alice", bob: "Bob", bot: "Gateway" };
let person = "alice", group = false, shown = "";

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(body) });
  return answer.json();
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => $("toast").classList.remove("shown"), 4000);
}

// Feishu's marks: ** for strong, ` for code; addresses become links.
function marked(text) {
  const plain = text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  return plain.split(/(\*\*[^*]+\*\*|`[^`]+`|https?:\/\/[^\s，。)]+)/).map((part) => {
    if (part.startsWith("**")) return make("b", {}, part.slice(2, -2));
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    if (/^https?:/.test(part)) return make("a", { href: part, target: "_blank", rel: "noopener" }, part);
    return part;
  });
}

function block(text) {
  const code = text.replace(/^```\n?|\n?```$/g, "");
  const copy = make("button", { class: "small", onclick: async () => {
    await navigator.clipboard.writeText(code);
    toast("Copied");
  } }, "Copy");
  return make("pre", {}, make("code", {}, code), copy);
}

function tryOut(key) {
  const answer = make("div", { class: "answer" });
  const call = make("button", { class: "small", onclick: async () => {
    answer.textContent = "…";
    const said = await post("/chat/try", { key });
    answer.className = said.status === 200 ? "answer" : "answer bad";
    answer.replaceChildren(make("b", {}, `${said.status} `), said.text);
  } }, "Call the gateway with this key");
  return make("div", { class: "try" }, make("div", {}, call), answer);
}

function button(line, element) {
  const value = element.behaviors[0].value, confirm = element.confirm.text.content;
  const place = make("div", { class: "sure" });
  const ask = make("button", { class: "small danger", onclick: () => {
    const yes = make("button", { class: "small danger", onclick: async () => {
      const told = await post("/chat/click", { id: line.id, person, value });
      toast(told.content);
      refresh();
    } }, element.text.content);
    const no = make("button", { class: "small", onclick: () => place.replaceChildren(ask) }, "✕");
    place.replaceChildren(confirm, yes, no);
  } }, element.text.content);
  place.append(ask);
  return place;
}

function card(line) {
  const buttons = make("div", { class: "buttons" }), body = make("div", { class: "body" });
  let key = null;
  for (const element of line.card.body.elements) {
    if (element.tag === "button") buttons.append(button(line, element));
    else if (element.content.startsWith("```")) {
      body.append(block(element.content));
      key = element.content.match(/ogw_[0-9A-Za-z]{49}/)?.[0] ?? key;
    } else body.append(make("p", {}, ...marked(element.content)));
  }
  if (buttons.children.length) body.append(buttons);
  if (key) body.append(tryOut(key));
  const title = line.card.header.title.content;
  return make("div", { class: `card ${line.card.header.template}` }, make("h2", {}, title), body);
}

function shownLine(line) {
  const mine = line.author === person;
  const face = line.author === "bot" ? "icon" : line.author;
  const said = line.card ? card(line) : make("div", { class: "bubble" }, ...marked(line.text));
  return make("div", { class: mine ? "line mine" : "line" },
    make("img", { class: "face", alt: "", src: `/chat/${face}.svg` }),
    make("div", { class: "said" }, make("div", { class: "who" }, NAMES[line.author]), said));
}

function empty() {
  const hint = group
    ? "Ask for a key here, and the bot sends it to you privately."
    : "Ask the bot for a key: choose a suggestion below, or write in your own words.";
  return make("p", { class: "empty" }, hint);
}

async function refresh() {
  const query = new URLSearchParams({ person, group: group ? "yes" : "no" });
  const lines = await (await fetch(`/chat/lines?${query}`)).json();
  const now = JSON.stringify([person, group, lines]);
  if (now === shown) return;
  shown = now;
  $("lines").replaceChildren(...(lines.length ? lines.map(shownLine) : [empty()]));
  $("lines").scrollTop = $("lines").scrollHeight;
}

async function say(text) {
  if (!text.trim()) return;
  const sent = post("/chat/say", { person, group, text });
  setTimeout(refresh, 30);
  if ((await sent).status !== 200) toast(`The gateway answered ${(await sent).status}`);
  refresh();
}

function choose() {
  $("title").textContent = group ? "Engineering" : "Gateway";
  $("subtitle").textContent = group ? "Alice, Bob, Gateway" : "Private chat with the bot";
  $("my-face").src = `/chat/${person}.svg`;
  $("text").placeholder = group ? "Message the group, with @Gateway in front" : "Message Gateway";
  document.cookie = `fake_user=${person}; path=/; samesite=lax`; // who signs in at the gateway
  for (const one of $("chats").children) {
    one.setAttribute("aria-current", String((one.dataset.group === "yes") === group));
  }
  refresh();
}

$("person").addEventListener("change", (event) => { person = event.target.value; choose(); });
$("chats").addEventListener("click", (event) => {
  const one = event.target.closest("button");
  if (one) { group = one.dataset.group === "yes"; choose(); }
});
$("chips").addEventListener("click", (event) => {
  if (event.target.tagName === "BUTTON") say(event.target.textContent);
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  say($("text").value);
  $("text").value = "";
});

const asked = new URLSearchParams(location.search);
if (asked.get("person") in NAMES) { person = asked.get("person"); $("person").value = person; }
group = asked.get("group") === "yes";
choose();
setInterval(refresh, 700);
