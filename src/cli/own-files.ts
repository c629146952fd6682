/** Files and folders that a person names on the command line: attachments, mounts, targets of `--save`. */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readlink, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, extname, join, parse, resolve, sep } from 'node:path'
import { cleanFileName, maxAttachmentBytes, maxAttachments, maxPieceBytes, OxbowError, type SentFile, toError } from '../types/index.ts'
import type { GatewayPort } from './guest-connection.ts'
import { maxLinks } from './limits.ts'

/** A file that is there and may be attached. */
export interface LocalFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** The folder of all users: what agents can have put in the way of the path. */
  readonly workspaces: string
}

/**
 * @param given a path as a person types it, with `~` for their home folder where no shell has put it in
 * @param workspaces the folder of all users
 * @throws OxbowError `not_found`, `bad_input` or `limit_reached`, before a message was sent
 */
export async function findLocalFile(given: string, workspaces: string): Promise<LocalFile> {
  const path = given.startsWith('~/') ? join(homedir(), given.slice(2)) : given
  const file = await openOwnFile(path, workspaces)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new OxbowError('bad_input', `${path} is no file`, { hint: 'Attach files one by one.' })
    if (stats.size === 0) throw new OxbowError('bad_input', `${path} is empty`, { hint: 'Attach a file with something in it.' })
    if (stats.size > maxAttachmentBytes) {
      const hint = 'Put it into the folder shared of the workspace and name it in the message.'
      throw new OxbowError('limit_reached', `${path} has ${stats.size} bytes; ${maxAttachmentBytes} is the most`, { hint })
    }
    return { name: cleanFileName(basename(path)), path, bytes: stats.size, workspaces }
  } finally {
    await file.close()
  }
}

/** @throws OxbowError `limit_reached` */
export function assertFewFiles(count: number): void {
  if (count <= maxAttachments) return
  throw new OxbowError('limit_reached', `${count} files are attached; ${maxAttachments} is the most`, {
    hint: 'Send some with another message.',
  })
}

/** Uploads the files in pieces that each fit a frame. @throws OxbowError of the gateway */
export async function uploadFiles(files: readonly LocalFile[], gateway: Pick<GatewayPort, 'call'>): Promise<readonly SentFile[]> {
  const sent: SentFile[] = []
  for (const { name, path, workspaces } of files) {
    const pieces: string[] = []
    for await (const piece of piecesOf(path, workspaces)) pieces.push(await putPiece(piece, gateway))
    sent.push({ name, media_type: saidTypes[extname(name).toLowerCase()] ?? '', pieces })
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

/** Kinds that the content of a file cannot tell; what it can tell is not asked. */
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

// Agents can create names, links and pipes in a workspace. A link there could make a person hand over a file that the agent chose,
// such as their own keys, so none is followed there. Links elsewhere are followed.

/**
 * @param workspaces the folder of all users, `users` of the Oxbow home
 * @returns the file, of whatever kind; whoever asked closes it
 * @throws OxbowError `not_found`, or `bad_input` for a link that an agent may have made
 */
async function openOwnFile(given: string, workspaces: string): Promise<FileHandle> {
  const path = resolve(given)
  const way = await ownWay(given, workspaces)
  const unread = (cause: unknown): never => {
    throw new OxbowError('not_found', `${path} cannot be read`, { hint: 'Give the path of a file that you may read.', cause })
  }
  // Without O_NONBLOCK a pipe would wait for whoever writes into it.
  const file = await open(way, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unread)
  // A folder on the way may have become a link since; only Linux can tell.
  const real = await readlink(`/proc/self/fd/${file.fd}`).catch(() => way)
  if (real === way) return file
  await file.close()
  return unread(null)
}

/** @returns where the path leads, whatever is there. @throws OxbowError `bad_input` for a link that an agent may have made */
export async function ownWay(given: string, workspaces: string): Promise<string> {
  return wayTo(resolve(given), await agentFolders(workspaces))
}

/** Follows links one by one, and none that stands in a folder of an agent. */
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

/** What agents of all users write in, as it really is. */
async function agentFolders(workspaces: string): Promise<readonly string[]> {
  const users = await readdir(workspaces).catch(() => [])
  const folders = users.flatMap((user) => ['shared', 'tmp'].map((name) => join(workspaces, user, name)))
  return Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)))
}

function linked(link: string, target: string): OxbowError {
  return new OxbowError('bad_input', `${link} is a link to ${target}, and whoever writes in the workspace can make such`, {
    hint: 'Look at where it leads; give that path itself if you mean it.',
  })
}
