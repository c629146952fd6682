/**
 * Puts the files of messages before a model that can look at them. A conversation holds names and hashes only; here the newest
 * files that fit become parts of their messages, whatever came before stays the line that names it. So a turn costs the same
 * however much was attached to older ones, and the bytes are read once in a while, not at every step.
 */
import type { Blobs, InputKind, KeptFile, Message, ModelFacts, UserMessage } from '../../types/index.ts'
import { maxHeldFileBytes, maxShownFileBytes, maxShownFiles } from '../limits.ts'

/** @returns the messages with their newest files shown; the same objects where nothing changes, and for the same files again. */
export type ShowFiles = (messages: readonly Message[], facts: Pick<ModelFacts, 'input'>) => Promise<readonly Message[]>

interface Held {
  readonly key: string
  readonly message: UserMessage
  readonly bytes: number
}

export function createFileShower(blobs: Pick<Blobs, 'read'>): ShowFiles {
  // Insertion order is order of use: the first is the least recently used.
  const held = new Map<Message, Held>()
  let heldBytes = 0

  const hold = (plain: Message, next: Held): void => {
    heldBytes += next.bytes - (held.get(plain)?.bytes ?? 0)
    held.delete(plain)
    held.set(plain, next)
    for (const [oldest, { bytes }] of held) {
      if (heldBytes <= maxHeldFileBytes || oldest === plain) break
      held.delete(oldest)
      heldBytes -= bytes
    }
  }
  const show = async (plain: UserMessage, files: readonly KeptFile[]): Promise<UserMessage> => {
    const key = files.flatMap((file) => file.pieces).join()
    const known = held.get(plain)
    const shown = known?.key === key ? known : { key, ...(await withFiles(plain, files, blobs)) }
    hold(plain, shown)
    return shown.message
  }
  return async (messages, facts) => {
    const result = [...messages]
    const room = { files: maxShownFiles, bytes: maxShownFileBytes }
    for (let i = messages.length - 1; i >= 0 && room.files > 0; i--) {
      const message = messages[i]!
      if (message.role !== 'user' || message.files === undefined) continue
      const fits = message.files.filter((file) => takesPlace(file, facts.input, room))
      if (fits.length > 0) result[i] = await show(message, fits)
    }
    return result
  }
}

function takesPlace({ media_type: type, bytes }: KeptFile, input: readonly InputKind[], room: { files: number; bytes: number }): boolean {
  const kind = kindOf(type)
  if (kind === null || !input.includes(kind) || room.files === 0 || bytes > room.bytes) return false
  room.files -= 1
  room.bytes -= bytes
  return true
}

function kindOf(mediaType: string): InputKind | null {
  if (mediaType === 'application/pdf') return 'pdf'
  const kind = /^(image|audio|video)\//.exec(mediaType)?.[1]
  return (kind as InputKind | undefined) ?? null
}

async function withFiles(plain: UserMessage, files: readonly KeptFile[], blobs: Pick<Blobs, 'read'>): Promise<Omit<Held, 'key'>> {
  const parts = [...plain.parts]
  let size = 0
  for (const { name, media_type: mediaType, pieces } of files) {
    const content = await Promise.all(pieces.map((hash) => blobs.read(hash)))
    // A store that lost a piece has damage of its own to tell of; the line that names the file stays.
    if (content.some((piece) => piece === null)) continue
    const data = Buffer.concat(content as readonly Uint8Array[]).toString('base64')
    size += data.length
    parts.push({ type: 'media', mediaType, name, data })
  }
  return { message: { role: 'user', parts }, bytes: size }
}
