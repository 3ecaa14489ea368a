// The Kinesis emulator on a free port of 127.0.0.1, which it prints. Kept in memory: it ends with
// the process. (kinesalite's own command listens on every address.)

const kinesalite = require("kinesalite");

const server = kinesalite({ createStreamMs: 0, deleteStreamMs: 0, shardLimit: 100 });
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
// Ends with whoever started it, however that ended.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
