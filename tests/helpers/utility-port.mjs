// What a utility process of Electron has: `process.parentPort`, and no `process.send`. Its worker threads have neither.
if (process.send) {
  const send = process.send.bind(process);
  delete process.send;
  process.parentPort = {
    postMessage: (message) => send(message),
    on: (name, listener) => process.on(name, (data) => listener({ data })),
  };
}
