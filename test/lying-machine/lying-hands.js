/**
 * Stands for hands in a machine that somebody has taken over, root and kernel included: the machine is real, and so are its ports.
 * It greets and refuses like any hands until it is asked for `/tmp/lie-NAME`; then it tells that lie. Plain JavaScript, for
 * nothing of this repository is in the machine. Everything is read and written at once, as no honest hands would.
 */
'use strict'
const fs = require('node:fs')

const port = fs.openSync(process.argv[process.argv.indexOf('--device') + 1], 'r+')
// Taken at the start, as hands do: its name is gone when the machine has been given its workspace.
const wayAt = process.argv.indexOf('--relay-device')
const egress = wayAt < 0 ? -1 : fs.openSync(process.argv[wayAt + 1], 'r+')
const [partKind, lastKind, cancelKind, dataKind] = [1, 2, 3, 4]
const mostBytes = 64 * 1024

function frame(kind, id, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9)
  head.writeUInt32BE(5 + payload.length, 0)
  head.writeUInt8(kind, 4)
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, payload])
}
const last = (id, body) => frame(lastKind, id, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
function write(to, bytes) {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(to, bytes, at)
}
const say = (bytes) => write(port, bytes)
function forever(bytesOf) {
  for (let i = 0; ; i += 1) say(bytesOf(i))
}
/** In a big piece: what is emulated moves few of them a second. */
const many = (bytes, count) => Buffer.concat(Array.from({ length: count }, () => bytes))
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
function forceKernel(key, rest) {
  if (rest !== undefined) fs.writeFileSync('/proc/sys/kernel/panic', rest)
  fs.writeFileSync('/proc/sysrq-trigger', key)
}
/** Any port of the machine that nobody holds: as root of the guest may, whose own devices name none. @returns descriptors */
function otherPorts() {
  const [, major] = /^ *(\d+) virtio-portsdev$/m.exec(fs.readFileSync('/proc/devices', 'latin1'))
  const found = []
  for (let minor = 0; minor < 8; minor += 1) {
    const path = `/dev/taken-${minor}`
    require('node:child_process').spawnSync('/bin/busybox', ['mknod', path, 'c', major, String(minor)])
    try {
      found.push(fs.openSync(path, 'r+'))
    } catch {
      // It is in use or missing.
    }
  }
  return found
}

/** By name: what is done with the id of the request. What returns goes on to read. */
const lies = {
  garbage: () => say(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4294967295\r\n\r\n')),
  'long-frame': () => say(Buffer.from([0xff, 0xff, 0xff, 0xff, lastKind, 0, 0, 0, 1])),
  'short-frame': () => say(Buffer.from([0, 0, 0, 0, lastKind, 0, 0, 0, 1])),
  'unknown-kind': (id) => say(frame(9, id)),
  cancel: (id) => say(frame(cancelKind, id)),
  'other-id': (id) => say(last(id + 77, { ok: {} })),
  twice: (id) => say(Buffer.concat([last(id, refusal), last(id, refusal)])),
  'no-json': (id) => say(last(id, '{"ok":')),
  'wrong-shape': (id) => say(last(id, { ok: { kind: 'file', bytes: 'many' } })),
  'host-error': (id) => say(last(id, { failure: { code: 'store_full', message: 'm', hint: 'h' } })),
  'other-size': (id) => say(Buffer.concat([frame(dataKind, id, Buffer.alloc(3)), last(id, { ok: {}, bytes: 10 })])),
  'many-greetings': () => forever(() => many(last(0, {}), 2_000)),
  'endless-message': (id) => forever(() => frame(partKind, id, Buffer.alloc(mostBytes, 32))),
  'endless-bytes': (id) => forever(() => frame(dataKind, id, Buffer.alloc(mostBytes))),
  'endless-beginnings': () =>
    forever((i) => Buffer.concat(Array.from({ length: 64 }, (_, k) => frame(partKind, i * 64 + k + 1, Buffer.alloc(900))))),
  // Small to send and large to have: an array for each three bytes.
  'many-arrays': (id) => {
    say(frame(partKind, id, Buffer.from('{"ok":{"x":[')))
    const piece = frame(partKind, id, Buffer.from('[],'.repeat(21_000)))
    for (let sent = 0; sent < 500; sent += 1) say(piece)
    say(last(id, '[]]}}'))
  },
  'half-frame': (id) => say(frame(lastKind, id, Buffer.alloc(1_000)).subarray(0, 500)),
  silence: () => undefined,
  wedged: () => sleep(600_000),
  reboot: () => forceKernel('b'),
  panic: () => forceKernel('c', '-1'),
  'halted-kernel': () => forceKernel('c', '0'),
  'flood-of-other-ports': (id) => {
    const told = otherPorts().map((each) => {
      try {
        for (let i = 0; i < 64; i += 1) write(each, Buffer.alloc(mostBytes, 0x67))
        return 'flooded'
      } catch (error) {
        return error.code
      }
    })
    say(last(id, { failure: { code: 'not_found', message: `other ports: ${told.join(' ')}.`, hint: '' } }))
  },
  // A connection as it should be, and then another protocol.
  'egress-garbage': () => {
    write(egress, Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 0]))
    for (;;) write(egress, Buffer.alloc(mostBytes, 0xff))
  },
  // More connections than are allowed, all left unread.
  'egress-flood': () => {
    for (let stream = 1; ; stream += 1) {
      const head = Buffer.alloc(9)
      head.writeUInt8(1, 0)
      head.writeUInt32BE(stream, 1)
      write(egress, head)
    }
  },
}

const refusal = { failure: { code: 'tool_failed', message: 'no', hint: 'no' } }
const block = Buffer.alloc(mostBytes)
let unread = Buffer.alloc(0)
say(last(0, {}))
for (;;) {
  const bytes = fs.readSync(port, block, 0, block.length, null)
  if (bytes === 0) {
    // Nobody holds the other end yet.
    sleep(20)
    continue
  }
  unread = Buffer.concat([unread, block.subarray(0, bytes)])
  while (unread.length >= 9 && unread.length >= unread.readUInt32BE(0) + 4) {
    const [size, kind, id] = [unread.readUInt32BE(0) + 4, unread[4], unread.readUInt32BE(5)]
    const text = unread.subarray(9, size).toString()
    unread = unread.subarray(size)
    if (kind !== lastKind) continue
    const [, name] = /"\/tmp\/lie-([a-z-]+)"/.exec(text) ?? []
    if (name === undefined) say(last(id, refusal))
    else {
      try {
        lies[name](id)
      } catch (error) {
        // A lie that cannot be told is told of.
        say(last(id, { failure: { code: 'not_found', message: String(error).slice(0, 500), hint: '' } }))
      }
    }
  }
}
