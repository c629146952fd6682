#!/usr/bin/env node
/**
 * Checks a file that `oxbow audit export` or `oxbow audit archive` wrote, with nothing but Node: `npx -p oxbow@latest oxbow-verify FILE [--key FILE]`.
 *
 * Every record is hashed again and follows the one before; the content of every blob has the hash that its record names; every call that
 * ended had begun; every record that the runner signed is there, up to the newest; and the end of the file is signed, so that nothing can be cut
 * off. Of heads before a restore, whose record is in the journal, only the restore counts. The key is in the file: with `--key` it must be the one that you kept, else compare the fingerprint that is printed.
 *
 * Exit code: 0 when everything holds, 12 when something does not, 2 for a wrong command line. The formats are those of src/store/chain.ts,
 * src/protocol/heads/head-chain.ts and docs/audit.md; none of that code is used here.
 */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { closeSync, createReadStream, openSync, readFileSync, readSync, realpathSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'

// BLAKE3 with 32 bytes of output, from its specification (section 2): chunks of 1 024 bytes, joined in a binary tree.

const initial = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)
const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
const chunkStart = 1
const chunkEnd = 2
const parent = 4
const root = 8

/** The order of the message words in each of the seven rounds. */
const orders = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]]
for (let round = 1; round < 7; round++) orders.push(orders[round - 1].map((_, at) => orders[round - 1][permutation[at]]))

function compress(chaining, words, counter, length, flags) {
  const v = new Uint32Array(16)
  v.set(chaining, 0)
  v.set(initial.subarray(0, 4), 8)
  v[12] = counter >>> 0
  v[13] = Math.floor(counter / 2 ** 32)
  v[14] = length
  v[15] = flags
  const mix = (a, b, c, d, x, y) => {
    v[a] = v[a] + v[b] + x
    v[d] = turn(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = turn(v[b] ^ v[c], 12)
    v[a] = v[a] + v[b] + y
    v[d] = turn(v[d] ^ v[a], 8)
    v[c] = v[c] + v[d]
    v[b] = turn(v[b] ^ v[c], 7)
  }
  for (const o of orders) {
    mix(0, 4, 8, 12, words[o[0]], words[o[1]])
    mix(1, 5, 9, 13, words[o[2]], words[o[3]])
    mix(2, 6, 10, 14, words[o[4]], words[o[5]])
    mix(3, 7, 11, 15, words[o[6]], words[o[7]])
    mix(0, 5, 10, 15, words[o[8]], words[o[9]])
    mix(1, 6, 11, 12, words[o[10]], words[o[11]])
    mix(2, 7, 8, 13, words[o[12]], words[o[13]])
    mix(3, 4, 9, 14, words[o[14]], words[o[15]])
  }
  return v.subarray(0, 8).map((word, at) => word ^ v[at + 8])
}

const turn = (word, by) => (word >>> by) | (word << (32 - by))

function wordsOf(bytes, from) {
  const words = new Uint32Array(16)
  for (let at = 0; at < 64 && from + at < bytes.length; at++) words[at >> 2] |= bytes[from + at] << (8 * (at & 3))
  return words
}

/** The last block of a chunk is left to be compressed, because it is the root if the chunk is the only one. */
function lastBlockOf(bytes, from, to, index) {
  let chaining = initial
  let at = from
  for (; to - at > 64; at += 64) chaining = compress(chaining, wordsOf(bytes.subarray(0, to), at), index, 64, at === from ? chunkStart : 0)
  return { chaining, words: wordsOf(bytes.subarray(0, to), at), index, length: to - at, flags: (at === from ? chunkStart : 0) | chunkEnd }
}

function nodeOf(bytes, from, to) {
  if (to - from <= 1024) return lastBlockOf(bytes, from, to, from / 1024)
  let left = 1024
  while (left * 2 < to - from) left *= 2
  const words = new Uint32Array(16)
  words.set(valueOf(nodeOf(bytes, from, from + left)), 0)
  words.set(valueOf(nodeOf(bytes, from + left, to)), 8)
  return { chaining: initial, words, index: 0, length: 64, flags: parent }
}

const valueOf = (node, flags = 0) => compress(node.chaining, node.words, node.index, node.length, node.flags | flags)

export function blake3(data) {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
  const node = nodeOf(bytes, 0, bytes.length)
  const words = valueOf({ ...node, index: node.flags & parent ? 0 : node.index }, root)
  return [...words].map((word) => [0, 8, 16, 24].map((shift) => ((word >>> shift) & 255).toString(16).padStart(2, '0')).join('')).join('')
}

// The records.

const recordFields = ['seq', 'at', 'actor', 'session', 'turn', 'call', 'name', 'phase', 'body', 'previous', 'hash']
const referencePattern = /^\{"blob":"([0-9a-f]{64})","bytes":(\d+)\}$/
const erasedPattern = /^\{"erased":"([0-9a-f]{64})","bytes":(\d+),"reason":"(?:[^"\\]|\\.)*"\}$/

function canonical(format, user, record, body) {
  const { seq, at, actor, session, turn: ofTurn, call, name, phase, previous } = record
  return JSON.stringify([format, user, seq, at, actor, session, ofTurn, call, name, phase, body, previous])
}

/** @returns whether the hash is that of the fields; `unknown` for an erased body of the first format */
function holds(user, record) {
  const reference = referencePattern.exec(record.body)
  const erased = erasedPattern.exec(record.body)
  const bodyHash = reference?.[1] ?? erased?.[1] ?? blake3(record.body)
  if (blake3(canonical('oxbow.record.2', user, record, bodyHash)) === record.hash) return true
  const asWritten = erased === null ? record.body : `{"blob":"${erased[1]}","bytes":${erased[2]}}`
  if (blake3(canonical('oxbow.record.1', user, record, asWritten)) === record.hash) return true
  return erased === null ? false : 'unknown'
}

function signedHeadText(user, { seq, hash, at, n, previous, covers = null, restore }) {
  if (n === undefined) return JSON.stringify(['oxbow-head-1', user, seq, hash, at])
  const restored = restore === undefined ? null : [restore.call, restore.from.seq, restore.from.hash, restore.by, restore.fault]
  return JSON.stringify(['oxbow-head-2', user, n, seq, hash, at, previous, covers, restored])
}

/** What was found so far. @param fail ends the check with the reason */
function createCheck(header, fail) {
  const { user, after } = header
  let head = { seq: after.seq, hash: after.hash }
  const calls = createCalls(fail)
  const hashes = new Map([[after.seq, after.hash]])
  /** Restores of backups that the journal tells of, by the record before. */
  const restores = new Map()
  const counts = { records: 0, blobs: 0, missing: 0, erased: 0, unchecked: 0 }
  return {
    counts,
    head: () => head,
    hashes,
    assertReconciled: calls.assertReconciled,
    /** Of a restore before the file begins, only the signed head is known. */
    tookPlace: ({ seq, hash, restore }) => restore !== undefined && (seq < after.seq || restores.get(seq) === `${hash} ${restore.call}`),
    take(line) {
      const { content, ...record } = line
      if (Object.keys(record).join() !== recordFields.join()) fail(`after record ${head.seq}: a line that is no record`)
      if (record.seq !== head.seq + 1)
        fail(`record ${head.seq + 1} is missing, or records were reordered: record ${record.seq} follows ${head.seq}`)
      if (record.previous !== head.hash) fail(`record ${record.seq} does not follow record ${head.seq}: one of the two was exchanged`)
      const sound = holds(user, record)
      if (sound === false) fail(`record ${record.seq} was changed`)
      if (sound === 'unknown') counts.unchecked += 1
      const reference = referencePattern.exec(record.body)
      if (erasedPattern.test(record.body)) counts.erased += 1
      if (content === undefined && reference !== null) counts.missing += 1
      if (content !== undefined) {
        if (reference === null || blake3(content) !== reference[1]) fail(`the content of record ${record.seq} was changed`)
        counts.blobs += 1
      }
      if (after.seq === 0) calls.take(record, content ?? record.body)
      if (record.name === 'store.restore' && record.phase === 'intent') restores.set(head.seq, `${head.hash} ${record.call}`)
      head = record
      hashes.set(record.seq, record.hash)
      counts.records += 1
    },
  }
}

/**
 * A call begins once and ends once. Versions that could record it twice left records which a later one reconciles: `{"repeats":[seq, …]}`.
 */
function createCalls(fail) {
  const open = new Set()
  const ended = new Set()
  const repeated = new Map()
  return {
    take({ seq, call, phase }, body) {
      if (phase === 'intent') {
        if (open.has(call)) repeated.set(seq, `record ${seq} begins a call that has begun already`)
        open.add(call)
      } else if (phase === 'outcome' || phase === 'reconciled') {
        if (open.delete(call)) ended.add(call)
        else if (ended.has(call)) repeated.set(seq, `record ${seq} ends a call that had ended`)
        else fail(`record ${seq} ends a call that had not begun`)
      } else if (phase === 'refused') {
        if (open.delete(call)) ended.add(call)
      } else if (phase === 'exchange' && body.startsWith('{"repeats":['))
        for (const of of JSON.parse(body).repeats) if (of < seq) repeated.delete(of)
    },
    assertReconciled() {
      for (const why of repeated.values()) fail(why)
    },
  }
}

/**
 * Checks the last line: its signature, and the heads that the runner had signed before. The signature covers them, too, except in the
 * first format.
 */
function checkEnd({ user, format }, check, trailer, pinned, fail) {
  const { end, public_key: pem, heads } = trailer
  if (Object.keys(trailer).join() !== 'end,public_key,heads') fail('the last line is not the end of an export')
  if (pinned !== null && keyText(pinned) !== keyText(pem)) fail('the file is signed with another key than the one given with --key')
  const key = createPublicKey(pem)
  const head = check.head()
  const signed = [`oxbow-export-${format}`, user, end.after, end.seq, end.hash, end.records, end.at]
  const text = JSON.stringify(format === 1 ? signed : [...signed, link(heads)])
  if (!verify(null, Buffer.from(text), key, Buffer.from(end.signature, 'base64'))) fail('the end of the file is not signed with its key')
  if (end.seq !== head.seq || end.hash !== head.hash || end.records !== check.counts.records)
    fail(`the file ends with record ${head.seq}, and record ${end.seq} was signed as its last: records were cut off`)
  const checked = checkHeads(user, check, { heads, key }, fail)
  return { checked, fingerprint: createHash('sha256').update(keyText(pem)).digest('hex') }
}

/** Every head is signed and follows the one before, and what it names is in the file, unless that begins behind it. */
function checkHeads(user, check, { heads: lines, key }, fail) {
  const heads = lines.map((line) => JSON.parse(line))
  for (const signed of heads) {
    if (signed.format !== undefined && signed.format !== 2)
      fail(`the signed head of record ${signed.seq} is in a format of another version: use its oxbow-verify`)
    if (!verify(null, Buffer.from(signedHeadText(user, signed)), key, Buffer.from(signed.signature, 'base64')))
      fail(`the signed head of record ${signed.seq} was changed`)
  }
  const base = heads.findLastIndex(({ covers }) => covers !== undefined)
  const end = heads.findLastIndex(({ n }) => n !== undefined)
  if (base < 0 && end >= 0) fail('signed heads were removed')
  for (let at = Math.max(base, 0); at <= end; at++) {
    const { n, seq, previous, covers } = heads[at]
    const before = at === base ? lines.slice(0, at) : [lines[at - 1]]
    const isNext = at === base ? covers === at : n === heads[at - 1].n + 1
    if (!isNext || previous !== link(before))
      fail(`the signed head of record ${seq} does not follow the one before: heads were changed or removed`)
  }
  let checked = 0
  const decisive = heads.findLastIndex((head) => check.tookPlace(head))
  for (const { seq, hash, at, restore } of heads.slice(Math.max(decisive, 0))) {
    // A restore that did not take place replaced nothing.
    if (restore !== undefined && !check.tookPlace({ seq, hash, restore })) continue
    const found = check.hashes.get(seq)
    if (found === undefined && seq > check.head().seq)
      fail(
        `the runner has signed record ${seq} on ${new Date(at).toISOString()}, and the file ends with record ${check.head().seq}: its end was cut off`,
      )
    if (found === undefined) continue
    if (found !== hash) fail(`record ${seq} is not the one that was signed on ${new Date(at).toISOString()}`)
    checked += 1
  }
  return checked
}

const link = (lines) => createHash('sha256').update(lines.join('\n')).digest('hex')

const keyText = (pem) => createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64')

/** Those of this program. */
const formats = [1, 2]

/** @param lines of the file. @param pinned the key as PEM, or null. @returns the report; `error` says what does not hold */
export async function verifyExport(lines, pinned = null) {
  class Fault extends Error {}
  const fail = (why) => {
    throw new Fault(why)
  }
  let check = null
  let header = null
  let last = null
  try {
    for await (const text of lines) {
      const line = parseLine(text, fail)
      if (last !== null) fail('there are lines behind the end')
      if (header === null) {
        header = line
        if (header.oxbow !== 'export' || Object.keys(header).join() !== 'oxbow,format,user,after') fail('this is no export of Oxbow')
        if (!formats.includes(header.format)) fail('it is in a format of another version: use its oxbow-verify')
        check = createCheck(header, fail)
      } else if ('end' in line) last = line
      else check.take(line)
    }
    if (header === null) fail('the file is empty')
    if (last === null) fail('the file has no end: it was cut off')
    check.assertReconciled()
    const { checked, fingerprint } = checkEnd(header, check, last, pinned, fail)
    if (JSON.stringify(last.end.after) !== JSON.stringify(header.after.seq))
      fail('the beginning of the file is not the one that was signed')
    const { seq, hash } = last.end
    const facts = { user: header.user, after: header.after.seq, seq, hash, ...check.counts }
    return { ok: true, ...facts, heads: checked, heads_signed: header.format > 1, key: fingerprint }
  } catch (error) {
    if (error instanceof Fault) return { ok: false, error: error.message }
    return { ok: false, error: `a line of the file cannot be understood: ${error.message}` }
  }
}

/** A line is exactly as it was written: other spaces or another order are a change, too. */
function parseLine(text, fail) {
  const line = JSON.parse(text)
  if (JSON.stringify(line) !== text) fail('a line is not as it was written')
  return line
}

/** Of an export, or of an archive: that is one compressed by zstd. */
export async function* linesOf(file) {
  const source = createReadStream(file)
  let stream = source
  if (isCompressed(file)) {
    if (zlib.createZstdDecompress === undefined)
      throw new Error('they are compressed by zstd, which this Node cannot read; use Node 22.15 or newer')
    stream = zlib.createZstdDecompress()
    // A fault of either ends the reading below with it.
    pipeline(source, stream, () => {})
  }
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}

function isCompressed(file) {
  const descriptor = openSync(file, 'r')
  const start = new Uint8Array(4)
  readSync(descriptor, start)
  closeSync(descriptor)
  return String(start) === '40,181,47,253'
}

/** A file that is not there is no evidence against a journal. */
function assertReadable(file) {
  try {
    isCompressed(file)
  } catch (error) {
    const why = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw new Error(`${file} cannot be read: ${why}`, { cause: error })
  }
}

function assertKey(file) {
  try {
    createPublicKey(readFileSync(file))
  } catch (error) {
    throw new Error(`${file} is no public key: \`oxbow audit key > FILE\` writes one`, { cause: error })
  }
}

async function main(args) {
  const at = args.indexOf('--key')
  const keyFile = at < 0 ? null : args[at + 1]
  const [file] = args.filter((_, index) => at < 0 || (index !== at && index !== at + 1))
  if (file === undefined || file.startsWith('-') || keyFile === undefined) {
    process.stderr.write('usage: oxbow-verify FILE [--key PUBLIC_KEY.pem]\n')
    return 2
  }
  for (const name of keyFile === null ? [file] : [file, keyFile]) assertReadable(name)
  if (keyFile !== null) assertKey(keyFile)
  const report = await verifyExport(linesOf(file), keyFile === null ? null : readFileSync(keyFile, 'utf8'))
  if (!report.ok) {
    process.stdout.write(`The export does NOT verify: ${report.error}\n`)
    return 12
  }
  const { records, blobs, missing, erased, unchecked, heads, heads_signed: areSigned, key } = report
  process.stdout.write(`The export verifies.\n  ${records} records, ${blobs} contents and ${heads} signed heads of ${report.user}\n`)
  if (missing > 0) process.stdout.write(`  ${missing} contents are not in the file; their hashes are\n`)
  if (erased > 0) process.stdout.write(`  ${erased} bodies were erased; the chain holds by their hashes\n`)
  if (unchecked > 0) process.stdout.write(`  of ${unchecked} of them only the place can be checked\n`)
  if (!areSigned)
    process.stdout.write(
      '  in format 1, whose end does not cover the signed heads: some may have been removed, with the records behind them\n',
    )
  process.stdout.write(`  signed with the key ${key}${keyFile === null ? ': compare it with `oxbow audit key`' : ''}\n`)
  return 0
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`error: ${error.message}\n`)
    return 2
  })
}
