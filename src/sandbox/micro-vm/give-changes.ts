/**
 * Brings what a person has changed into a machine that runs. The contents go to /tmp of the machine as one file with a list at its end; a
 * program of Node in the machine puts them in place, as the user of hands. File calls cannot: they refuse what git runs, which the person
 * may change.
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { givePieceBytes, giveRoundBytes, importRequestMs } from '../limits.ts'
import { insideNode } from '../tier-plan.ts'
import type { HostFolders } from './host-folders.ts'
import type { PersonChanges } from './merge-tree.ts'

type Given = PersonChanges['entries'][number]

/** One entry of the list: what `putInPlace` reads. */
interface ListedEntry {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'link'
  readonly bytes: number
  readonly executable: boolean
  readonly seconds: number
  readonly target: string
}

/** @throws OxbowError `sandbox_failed` when the machine could not take all of them; what hands throw */
export async function giveChanges(hands: Hands, folders: HostFolders, changes: PersonChanges, signal: AbortSignal): Promise<void> {
  let gone = changes.gone
  let rest: readonly Given[] = changes.entries
  while (gone.length > 0 || rest.length > 0) {
    const sent = await giveSome(hands, folders, { entries: rest, gone }, signal)
    rest = rest.slice(sent)
    gone = []
  }
}

/** @returns how many entries were given: as many as one round holds, at least one */
async function giveSome(hands: Hands, folders: HostFolders, { entries, gone }: PersonChanges, signal: AbortSignal): Promise<number> {
  const path = `/tmp/oxbow-given-${process.hrtime.bigint().toString(36)}`
  const upload = openUpload(hands, path, signal)
  const listed: ListedEntry[] = []
  let sent = 0
  for (const { path: name, entry } of entries) {
    if (upload.bytes() >= giveRoundBytes) break
    sent += 1
    const { kind, executable } = entry
    if (kind === 'other') continue
    if (kind !== 'file') listed.push({ path: name, kind, bytes: 0, executable, seconds: 0, target: kind === 'link' ? entry.content : '' })
    else {
      const file = await sendFile(folders.at(name), upload)
      // It is gone again: the next look sees that.
      if (file !== null) listed.push({ path: name, kind, executable, target: '', ...file })
    }
  }
  const list = Buffer.from(JSON.stringify({ entries: listed, gone }))
  await upload.send(Buffer.concat([list, Buffer.from(String(list.length).padStart(lengthDigits))]))
  await upload.end()
  const command = `${insideNode} -e '${putInPlace}' ${path} ${folders.inside}`
  const input = { command, cwd: '/tmp', stdin: '', timeoutMs: importRequestMs, maxOutputBytes: 2_000 }
  const { exitCode, stderr } = await hands.ask('exec', input, { signal, timeoutMs: importRequestMs + 5_000 })
  if (exitCode === 0) return sent
  const why = stderr.trim().split('\n')[0] ?? ''
  throw new OxbowError('sandbox_failed', `The micro VM could not take over changes of the workspace: ${why === '' ? 'no message' : why}`, {
    hint: 'Raise sandbox.disk_mb or sandbox.max_file_mb if they are too large; a restart of Oxbow copies the workspace anew.',
  })
}

interface Upload {
  bytes(): number
  send(content: Buffer): Promise<void>
  end(): Promise<void>
}

/** Collects small contents to pieces. */
function openUpload(hands: Hands, path: string, signal: AbortSignal): Upload {
  let offset = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  const put = async (last: boolean): Promise<void> => {
    const content = Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    const input = { path, upload: path, offset, content, last, overwrite: true }
    await hands.ask('put', input, { signal, timeoutMs: importRequestMs })
    offset += content.length
  }
  return {
    bytes: () => offset + waitingBytes,
    async send(content) {
      waiting.push(content)
      waitingBytes += content.length
      if (waitingBytes >= givePieceBytes) await put(false)
    },
    end: () => put(true),
  }
}

/** @returns null if it is gone, no regular file any more, or cannot be read */
async function sendFile(path: string, upload: Upload): Promise<Pick<ListedEntry, 'bytes' | 'seconds'> | null> {
  const isFile = await lstat(path).then(
    (stats) => stats.isFile(),
    () => false,
  )
  if (!isFile) return null
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => null)
  if (file === null) return null
  try {
    const { mtimeMs } = await file.stat()
    for (let bytes = 0; ;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(givePieceBytes), 0, givePieceBytes, bytes)
      if (bytesRead === 0) return { bytes, seconds: mtimeMs / 1000 }
      await upload.send(buffer.subarray(0, bytesRead))
      bytes += bytesRead
    }
  } finally {
    await file.close()
  }
}

const lengthDigits = 12

/**
 * Runs in the machine: a file's content replaces what has its name, in one step; a folder that is no longer empty stays. It has no single
 * quotes, since it is an argument of a shell.
 */
const putInPlace = `
const fs = require("fs"), { dirname, join } = require("path");
const [, source, top] = process.argv;
try {
  const fd = fs.openSync(source, "r"), size = fs.fstatSync(fd).size;
  const read = (at, length) => { const b = Buffer.alloc(length); fs.readSync(fd, b, 0, length, at); return b; };
  const length = Number(read(size - ${lengthDigits}, ${lengthDigits}).toString());
  const { entries, gone } = JSON.parse(read(size - ${lengthDigits} - length, length).toString());
  const kindOf = (path) => { const s = fs.lstatSync(path, { throwIfNoEntry: false }); return s === undefined ? "" : s.isDirectory() ? "folder" : "file"; };
  for (const name of gone) {
    const path = join(top, name);
    try { kindOf(path) === "folder" ? fs.rmdirSync(path) : fs.unlinkSync(path); } catch {}
  }
  let at = 0;
  for (const { path: name, kind, bytes, executable, seconds, target } of entries) {
    const path = join(top, name), there = kindOf(path);
    if (kind === "folder") {
      if (there === "file") fs.unlinkSync(path);
      if (there !== "folder") fs.mkdirSync(path, { recursive: true });
      continue;
    }
    fs.mkdirSync(dirname(path), { recursive: true });
    if (there === "folder") fs.rmSync(path, { recursive: true });
    const draft = join(dirname(path), ".oxbow-" + process.hrtime.bigint().toString(36) + ".tmp");
    if (kind === "link") fs.symlinkSync(target, draft);
    else {
      const out = fs.openSync(draft, "wx", 0o600);
      for (let left = bytes; left > 0; ) {
        const piece = read(at, Math.min(left, 1048576));
        fs.writeSync(out, piece);
        at += piece.length; left -= piece.length;
      }
      fs.fchmodSync(out, executable ? 0o755 : 0o644);
      fs.futimesSync(out, seconds, seconds);
      fs.closeSync(out);
    }
    fs.renameSync(draft, path);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  fs.rmSync(source, { force: true });
}
`
