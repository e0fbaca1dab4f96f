// What a search is given beside words: a picture and a sound, chosen, dropped or recorded.

const MOST_SECONDS = 10;
const NAMES = { image: "picture", audio: "sound" };

function kindOf(file) {
  if (file.type.startsWith("image/")) return "image";
  // Browsers record sound into a container that others take for video.
  if (file.type.startsWith("audio/") || file.type.startsWith("video/")) return "audio";
  return null;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(new Error("The file cannot be read.")));
    reader.readAsDataURL(file);
  });
}

function preview(kind, file, remove) {
  const figure = document.createElement("figure");
  const shown = document.createElement(kind === "image" ? "img" : "audio");
  shown.src = URL.createObjectURL(file);
  if (kind === "image") shown.alt = "The picture that is searched by";
  else {
    shown.controls = true;
    shown.setAttribute("aria-label", "The sound that is searched by");
  }
  const drop = document.createElement("button");
  drop.type = "button";
  drop.textContent = `Without the ${NAMES[kind]}`;
  drop.addEventListener("click", () => {
    URL.revokeObjectURL(shown.src);
    remove();
  });
  figure.append(shown, drop);
  return figure;
}

export class Given {
  constructor(place, say) {
    this.files = {};
    this.place = place;
    this.say = say;
  }

  set(kind, file) {
    if (file) this.files[kind] = file;
    else delete this.files[kind];
    const shown = Object.entries(this.files).map(([name, one]) => preview(name, one, () => this.set(name)));
    this.place.replaceChildren(...shown);
  }

  take(files) {
    for (const file of files) {
      const kind = kindOf(file);
      if (kind) this.set(kind, file);
      else this.say(`${file.name} is neither a picture nor a sound.`);
    }
  }

  async asked() {
    const parts = Object.entries(this.files).map(async ([kind, file]) => [kind, await base64(file)]);
    return Object.fromEntries(await Promise.all(parts));
  }
}

// Files that are dragged over a form are dropped into it, not opened by the browser.
export function dropInto(form, take) {
  const mark = (over) => form.classList.toggle("over", over);
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  form.addEventListener("dragleave", () => mark(false));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files);
  });
}

// A button that records until it is pressed again, or some seconds have passed.
export function recordBy(button, take, say) {
  let recorder = null;
  const label = button.textContent;
  const show = (running) => {
    button.setAttribute("aria-pressed", String(running));
    button.textContent = running ? "Stop recording" : label;
  };
  button.addEventListener("click", async () => {
    if (recorder) {
      recorder.stop();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const parts = [];
      recorder = new MediaRecorder(stream);
      const late = setTimeout(() => recorder?.stop(), MOST_SECONDS * 1000);
      recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
      recorder.addEventListener("stop", () => {
        clearTimeout(late);
        for (const track of stream.getTracks()) track.stop();
        take(new File(parts, "recorded", { type: recorder.mimeType }));
        recorder = null;
        show(false);
        say("The sound is recorded.");
      });
      recorder.start();
      show(true);
      say(`Recording, for ${MOST_SECONDS} seconds at most.`);
    } catch (error) {
      recorder = null;
      say(`Nothing can be recorded here: ${error.message}.`);
    }
  });
}
