"use strict";
// Sends an image by the REST path that any client uses, and shows what comes back.

const AT_FIRST = 10;
// Of a body: base64 takes four characters for three bytes.
const BASE64 = 4 / 3;
const $ = (id) => document.getElementById(id);
let about = null;
let turn = 0;
let shown = [];

async function start() {
  about = await fetched("/about").then((answer) => answer.json());
  document.title = `Try ${about.name}`;
  $("name").textContent = about.name;
  $("version").textContent = `· version ${about.version}`;
  $("count").textContent = about.classes.length.toLocaleString("en");
  $("names").replaceChildren(...about.classes.map((name) => element("li", name)));
}

function element(tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

// Waits for an answer; what the server refuses becomes an error with its reason.
async function fetched(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: is it still running?");
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error || `The server answers with status ${answer.status}.`);
  }
  return answer;
}

function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1] || "");
    reader.onerror = () => failed(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}

async function take(files) {
  if (!files.length) return;
  const mine = ++turn;
  const file = files[0];
  try {
    if (!about) await start();
    if (file.size * BASE64 > about.body_bytes) {
      const most = Math.floor(about.body_bytes / BASE64 / 1e6);
      throw new Error(`The file is too large: at most ${most} MB.`);
    }
    say(files.length > 1 ? "One at a time: looking at the first image …" : "Looking …");
    const found = await predicted(file);
    if (mine !== turn) return;
    say("");
    show(file, found);
    await start();
    if (found.ok && about.explains) await explain(file, found, mine);
  } catch (error) {
    if (mine === turn) say(error.message, true);
  }
}

async function predicted(file) {
  const body = { instances: [{ image_bytes: { b64: await base64(file) } }] };
  const path = `/v1/models/${encodeURIComponent(about.name)}:predict`;
  const sent = { method: "POST", body: JSON.stringify(body) };
  return (await (await fetched(path, sent)).json()).predictions[0];
}

// A picture of a file or an answer; the one before it is let go.
function picture(image, blob, words) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.alt = words;
}

function show(file, found) {
  $("image").hidden = false;
  $("blank").hidden = true;
  picture($("image"), file, `The image ${file.name}`);
  $("caption").textContent = file.name;
  $("caption").title = file.name;
  $("heat").hidden = true;
  $("zone").classList.add("small");
  const pairs = about.classes.map((name, at) => [name, found.probabilities[at]]);
  shown = pairs.sort((one, other) => other[1] - one[1]);
  headline(found);
  $("table").hidden = !found.ok;
  $("table").classList.toggle("unsure", !found.known);
  rows(AT_FIRST);
  $("more").hidden = !found.ok || shown.length <= AT_FIRST;
  $("more").textContent = `Show all ${shown.length.toLocaleString("en")} classes`;
  $("result").hidden = false;
  $("label").focus();
}

// What is said above the bars: the answer, "don't know", or why there is none.
function headline(found) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const kind = $("kind");
  kind.className = "kind";
  if (!found.ok) {
    kind.classList.add("bad");
    kind.textContent = "No answer";
    $("label").textContent = "This cannot be read";
    $("says").textContent = `Reason: ${found.error}.`;
    return;
  }
  const likely = shown.filter(([, value]) => value > 0.5).map(([name]) => name);
  const label = about.several ? likely.join(", ") || "no class" : found.label;
  kind.classList.toggle("unsure", !found.known);
  kind.textContent = found.known ? "It says" : "Don't know";
  $("label").textContent = found.known ? label : "Not sure enough";
  const guess = found.known ? "" : `Its guess would be ${label}. `;
  $("says").textContent = `${guess}Highest probability: ${percent(found.probability)}`;
}

function rows(most) {
  const made = shown.slice(0, most).map(([name, value], place) => {
    const row = element("tr");
    row.classList.toggle("best", place === 0);
    const head = element("th", name);
    head.scope = "row";
    const bar = element("i");
    bar.style.width = `${100 * value}%`;
    const track = element("span");
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    track.append(bar);
    const middle = element("td");
    middle.append(track);
    const number = element("td", value.toFixed(3));
    number.className = "number";
    row.append(head, middle, number);
    return row;
  });
  $("rows").replaceChildren(...made);
}

async function explain(file, found, mine) {
  say("Drawing what speaks for it …");
  const path = `/explain?class_id=${found.class_id}`;
  const drawn = await (await fetched(path, { method: "POST", body: file })).blob();
  if (mine !== turn) return;
  say("");
  const words =
    `What speaks for “${found.label}” (Grad-CAM): the redder, the more; grey: nothing`;
  picture($("overlay"), drawn, words);
  $("heat-caption").textContent = words;
  $("heat").hidden = false;
}

$("file").addEventListener("change", (event) => {
  take([...event.target.files]);
  // The same file may be chosen once more.
  event.target.value = "";
});
$("image").addEventListener("error", () => {
  $("image").hidden = true;
  $("blank").hidden = false;
});
$("more").addEventListener("click", () => {
  rows(shown.length);
  $("more").hidden = true;
});
document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("zone").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("zone").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("zone").classList.remove("over");
  take([...event.dataTransfer.files]);
});
start().catch((error) => say(error.message, true));
