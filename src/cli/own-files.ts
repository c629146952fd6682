/** Files and folders that a person names on the command line: attachments, mounts, targets of `--save`. */
import { constants, statSync } from 'node:fs'
import { type FileHandle, open, readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, extname, join, parse, resolve, sep } from 'node:path'
import { ownValue, OxbowError, toError } from '../base/index.ts'
import { cleanFileName, maxAttachmentBytes, maxAttachments, maxPieceBytes, type SentFile } from '../protocol/index.ts'
import type { GatewayPort } from './guest-connection.ts'
import { maxLinks } from './limits.ts'

/** A file that exists and can be attached. */
export interface LocalFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** Folder of all users: agents can create links in it. */
  readonly workspaces: string
}

/**
 * @param typed a path as a person types it, with `~` for the home folder where no shell has expanded it
 * @param workspaces the folder of all users
 * @throws OxbowError `not_found`, `bad_input` or `limit_reached`, before a message is sent
 */
export async function findLocalFile(typed: string, workspaces: string): Promise<LocalFile> {
  const path = typed.startsWith('~/') ? join(homedir(), typed.slice(2)) : typed
  const file = await openOwnFile(path, workspaces)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new OxbowError('bad_input', `${path} is not a file`, { hint: 'Attach files one by one.' })
    if (stats.size === 0) throw new OxbowError('bad_input', `${path} is empty`, { hint: 'Attach a file that is not empty.' })
    if (stats.size > maxAttachmentBytes) {
      const hint = 'Copy it into the workspace folder shared and name it in the message.'
      throw new OxbowError('limit_reached', `${path} has ${stats.size} bytes; the limit is ${maxAttachmentBytes}`, { hint })
    }
    return { name: cleanFileName(basename(path)), path, bytes: stats.size, workspaces }
  } finally {
    await file.close()
  }
}

/** @throws OxbowError `limit_reached` */
export function assertFewFiles(count: number): void {
  if (count <= maxAttachments) return
  throw new OxbowError('limit_reached', `${count} files are attached; the limit is ${maxAttachments}`, {
    hint: 'Send some of them with another message.',
  })
}

/** Uploads the files in pieces that each fit a frame. @throws OxbowError of the gateway */
export async function uploadFiles(files: readonly LocalFile[], gateway: Pick<GatewayPort, 'call'>): Promise<readonly SentFile[]> {
  const sent: SentFile[] = []
  for (const { name, path, workspaces } of files) {
    const pieces: string[] = []
    for await (const piece of piecesOf(path, workspaces)) pieces.push(await putPiece(piece, gateway))
    sent.push({ name, media_type: ownValue(saidTypes, extname(name).toLowerCase()) ?? '', pieces })
  }
  return sent
}

async function* piecesOf(path: string, workspaces: string): AsyncGenerator<Buffer> {
  const file = await openOwnFile(path, workspaces)
  try {
    for (let left = maxAttachmentBytes + 1; left > 0;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(maxPieceBytes, left)))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
      left -= bytesRead
    }
  } finally {
    await file.close()
  }
}

async function putPiece(piece: Buffer, gateway: Pick<GatewayPort, 'call'>): Promise<string> {
  const put = await gateway.call('attachment.put', { data: piece.toString('base64') })
  if (put.status === 'ok') return (put.output as { piece: string }).piece
  throw toError(put.failure)
}

/** Media types that only the file name tells; the others are detected from the content. */
const saidTypes: Readonly<Record<string, string>> = {
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.json': 'application/json',
  '.xml': 'application/xml',
  '.yaml': 'application/yaml',
  '.toml': 'application/toml',
  '.epub': 'application/epub+zip',
  '.odt': 'application/vnd.oasis.opendocument.text',
  '.ods': 'application/vnd.oasis.opendocument.spreadsheet',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  '.xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  '.pptx': 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
}

// Agents can create files, links and pipes in a workspace. A link there could trick a person into sending a file that the agent
// chose, such as their own keys, so links there are not followed. Links elsewhere are.

/**
 * @param workspaces the folder of all users, `users` of the Oxbow home
 * @returns the open file, of any kind; the caller closes it
 * @throws OxbowError `not_found`, or `bad_input` for a link that an agent may have made
 */
async function openOwnFile(typed: string, workspaces: string): Promise<FileHandle> {
  const path = resolve(typed)
  const way = await ownWay(typed, workspaces)
  const unread = (cause: unknown): never => {
    throw new OxbowError('not_found', `${path} cannot be read`, { hint: 'Give the path of a file that you can read.', cause })
  }
  // Without O_NONBLOCK, opening a pipe would block until it has a writer.
  const file = await open(way, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unread)
  // A folder of the path may have been replaced by a link since; only Linux can tell.
  const real = await readlink(`/proc/self/fd/${file.fd}`).catch(() => way)
  if (real === way) return file
  await file.close()
  return unread(null)
}

/** @returns the resolved path, whatever is there. @throws OxbowError `bad_input` for a link that an agent may have made */
export async function ownWay(typed: string, workspaces: string): Promise<string> {
  return wayTo(resolve(typed), await agentFolders(workspaces))
}

/** Follows links one by one, but none inside a folder that an agent can write to. */
async function wayTo(path: string, agents: readonly string[]): Promise<string> {
  const { root } = parse(path)
  let at = root
  let names = path.slice(root.length).split(sep)
  for (let links = 0; names.length > 0;) {
    const [name = '', ...rest] = names
    const next = join(at, name)
    const target = await readlink(next).catch(() => null)
    names = target === null ? rest : [...target.split(sep), ...rest]
    if (target === null) at = next
    else if (agents.some((folder) => at === folder || at.startsWith(folder + sep)) || ++links > maxLinks) throw linked(next, target)
    else if (target.startsWith(sep)) at = root
  }
  return at
}

/** Real paths of the folders that agents of all users can write to. */
async function agentFolders(workspaces: string): Promise<readonly string[]> {
  const users = await readdir(workspaces).catch(() => [])
  const folders = users.flatMap((user) => ['shared', 'tmp'].map((name) => join(workspaces, user, name)))
  return Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)))
}

function linked(link: string, target: string): OxbowError {
  return new OxbowError('bad_input', `${link} is a link to ${target}, and an agent may have created it`, {
    hint: 'Check where it leads; if you mean that file, give its own path.',
  })
}

/**
 * Before a file is opened whose content is read to its end: a named pipe would block, and a device may never end. Pipes of the shell
 * (`<(…)`, `/dev/stdin`) are read.
 * @throws OxbowError `bad_input`
 */
export function assertFile(file: string, hint: string): void {
  if (/^\/dev\/(?:stdin$|fd\/)/.test(file) || statSync(file, { throwIfNoEntry: false })?.isFile() !== false) return
  throw new OxbowError('bad_input', `${file} is not a file`, { hint })
}

/** @returns the text of a file that an option names. @throws OxbowError `not_found`, `bad_input` */
export async function readNamed(file: string, hint: string): Promise<string> {
  assertFile(file, hint)
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new OxbowError('not_found', `${file} cannot be read`, { hint, cause })
  })
}
