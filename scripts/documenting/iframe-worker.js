// A page that is opened as a file may start no worker: what it would do, the search, runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.inside = this.frame.contentWindow;
      this.inside.document.open();
      this.inside.document.write("<body>");
      this.inside.document.close();
      this.inside.postMessage = (data) => setTimeout(() => this.onmessage?.({ data })); // later, as a worker does
      const script = this.inside.document.createElement("script");
      this.ready = new Promise((resolve) => (script.onload = resolve));
      script.src = new URL(address, location);
      this.inside.document.body.append(script);
    }
    postMessage(data) {
      const copy = this.inside.structuredClone(data);
      this.ready.then(() => this.inside.onmessage({ data: copy }));
    }
    terminate() {
      this.onmessage = null;
      this.frame.remove();
    }
  };
}
