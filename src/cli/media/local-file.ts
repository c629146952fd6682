/** Files of the person who types: what goes with a message. Read only when they say so, and only then. */
import { homedir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { cleanFileName, maxAttachmentBytes, maxAttachments, maxPieceBytes, OxbowError, type SentFile, toError } from '../../types/index.ts'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { openOwnFile } from './own-file.ts'

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
