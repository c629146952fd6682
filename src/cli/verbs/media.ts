/** `oxbow media`: lists the files that an agent sent in a session; `--save` downloads them. */
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, usersFolder } from '../../runner/index.ts'
import { OxbowError, type SessionId, toError } from '../../base/index.ts'
import { mediaCall, cleanFileName, type RecordView, sentMedia, type SentMedia } from '../../protocol/index.ts'
import { type GatewayPort, type GuestChoice, withGuest } from '../guest-connection.ts'
import { findSession } from './sessions.ts'
import { ownWay } from '../own-files.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { mediaLine } from '../../terminal/index.ts'

export interface MediaOptions extends GuestChoice {
  readonly save?: string | undefined
  readonly json?: boolean | undefined
}

/** @returns the exit code. */
export async function media(prefix: string, options: MediaOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway, setup: { home } }) => {
    const workspaces = usersFolder(home)
    const session = await findSession(gateway, prefix, { archived: true })
    const sent = sentMedia(await readPast(gateway, session.id))
    for (const each of sent) {
      const path = options.save === undefined ? null : await saveMedia(each, { folder: options.save, workspaces }, gateway)
      if (options.json === true) printLine(terminal, JSON.stringify({ ...each, ...(path !== null && { saved: path }) }))
      else printLine(terminal, path === null ? mediaLine(each) : `${mediaLine(each)}  → ${path}`)
    }
    if (sent.length === 0 && options.json !== true) printLine(terminal, 'Nothing was sent in this session.')
    return 0
  })
}

/** Records that may contain sent files, oldest first. */
async function readPast(gateway: Pick<GatewayPort, 'follow'>, session: SessionId): Promise<readonly RecordView[]> {
  const records: RecordView[] = []
  const following = await gateway.follow(session, 0, (event) => {
    if (event.type === 'record' && event.record.name === mediaCall) records.push(event.record)
  })
  following.stop()
  return records
}

interface SaveTo {
  readonly folder: string
  /** Folder of all users: links in it are not followed. */
  readonly workspaces: string
}

/** Writes a file under an unused name. @returns its path. @throws OxbowError; no partial file is left */
export async function saveMedia(sent: SentMedia, { folder, workspaces }: SaveTo, gateway: Pick<GatewayPort, 'call'>): Promise<string> {
  // The agent chooses the file name; through a link it could choose the folder, too.
  await ownWay(folder, workspaces)
  try {
    makeFolder(folder, 0o777)
  } catch (cause) {
    throw new OxbowError('bad_input', `${folder} cannot be created: ${(cause as Error).message}`, {
      hint: 'Choose another folder for --save.',
      cause,
    })
  }
  const contents: Buffer[] = []
  for (const piece of sent.pieces) contents.push(await readPiece(piece, gateway))
  // The name comes from a sandbox: in some folders, shells and editors run files whose name begins with a dot.
  const name = cleanFileName(sent.name).replace(/^\.+/, '') || 'file'
  for (let i = 1; ; i++) {
    const path = join(folder, i === 1 ? name : `${i}-${name}`)
    const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST' && i < maxTries) return null
      throw new OxbowError('bad_input', `${path} cannot be written`, { hint: 'Choose another folder for --save.', cause: error })
    })
    if (file === null) continue
    try {
      await file.writeFile(Buffer.concat(contents))
    } catch (cause) {
      await unlink(path)
      const why = (cause as Error).message
      throw new OxbowError('bad_input', `${path} cannot be written: ${why}`, { hint: 'Free some disk space.', cause })
    } finally {
      await file.close()
    }
    return path
  }
}

/** Names tried for one file; more files of the same name mean that the folder needs clearing. */
const maxTries = 1_000

async function readPiece(piece: string, gateway: Pick<GatewayPort, 'call'>): Promise<Buffer> {
  const read = await gateway.call('media.read', { piece })
  if (read.status === 'ok') return Buffer.from((read.output as { data: string }).data, 'base64')
  throw toError(read.failure)
}
