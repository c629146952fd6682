/**
 * Files of messages and tool results as parts of a request. Before a generation, the newest files that fit become parts of their messages; older ones
 * remain lines that name them. So a turn costs the same however much was attached to older ones, and bytes are read rarely.
 */
import { createRecentMap } from '../../base/index.ts'
import {
  type Blobs,
  type InputKind,
  type KeptFile,
  maxShownFiles,
  type MediaPart,
  type Message,
  type ModelFacts,
  type ToolMessage,
  type UserMessage,
} from '../../protocol/index.ts'
import { maxHeldFileBytes, maxShownFileBytes } from './limits.ts'

/** @returns the messages with their newest files as parts; the same objects where nothing changes, and for the same files */
export type ShowFiles = (messages: readonly Message[], facts: Pick<ModelFacts, 'input'>) => Promise<readonly Message[]>

interface Held {
  readonly key: string
  readonly message: Message
  readonly bytes: number
}

/** Why a file is not shown, as the model reads it. */
type Left = 'this model does not take files of its kind' | 'newer files took its place; repeat the call to see it'

export function createFileShower(blobs: Pick<Blobs, 'read'>): ShowFiles {
  const held = createRecentMap<Message, Held>(maxHeldFileBytes, ({ bytes }) => bytes)
  const show = async (plain: UserMessage | ToolMessage, files: readonly KeptFile[], left: readonly Left[]): Promise<Message> => {
    const key = [...files.flatMap((file) => file.pieces), ...left].join()
    const known = held.get(plain)
    const shown = known?.key === key ? known : { key, ...(await withFiles(plain, files, left, blobs)) }
    held.put(plain, shown)
    return shown.message
  }
  return async (messages, { input }) => {
    const result = [...messages]
    const room = { files: maxShownFiles, bytes: maxShownFileBytes }
    for (let i = messages.length - 1; i >= 0; i--) {
      const message = messages[i]!
      if (message.role === 'assistant' || message.files === undefined) continue
      const fits = message.files.filter((file) => takesPlace(file, input, room))
      // A user's message names its files, which can be read by index; a tool result says why a file is missing.
      const left = message.role === 'user' ? [] : message.files.filter((file) => !fits.includes(file)).map((file) => whyLeft(file, input))
      if (fits.length + left.length > 0) result[i] = await show(message, fits, left)
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

function whyLeft({ media_type: type }: KeptFile, input: readonly InputKind[]): Left {
  const kind = kindOf(type)
  const taken = kind !== null && input.includes(kind)
  return taken ? 'newer files took its place; repeat the call to see it' : 'this model does not take files of its kind'
}

function kindOf(mediaType: string): InputKind | null {
  if (mediaType === 'application/pdf') return 'pdf'
  const kind = /^(image|audio|video)\//.exec(mediaType)?.[1]
  return (kind as InputKind | undefined) ?? null
}

async function withFiles(
  plain: UserMessage | ToolMessage,
  files: readonly KeptFile[],
  left: readonly Left[],
  blobs: Pick<Blobs, 'read'>,
): Promise<Omit<Held, 'key'>> {
  const media: MediaPart[] = []
  for (const { name, media_type: mediaType, pieces } of files) {
    const content = await Promise.all(pieces.map((hash) => blobs.read(hash)))
    // A store that lost a piece reports its own damage; the line that names the file stays.
    if (content.some((piece) => piece === null)) continue
    const data = Buffer.concat(content as readonly Uint8Array[]).toString('base64')
    media.push({ type: 'media', mediaType, name, data })
  }
  const bytes = media.reduce(
    (sum, { data }) => sum + data.length,
    plain.parts.reduce((sum, part) => sum + textBytes(part), 0),
  )
  if (plain.role === 'user') return { message: { role: 'user', parts: [...plain.parts, ...media] }, bytes }
  const [result] = plain.parts
  const text = [result.text, ...left.map((why) => `[picture not shown: ${why}]`)].join('\n')
  return { message: { role: 'tool', parts: [{ ...result, text, ...(media.length > 0 && { media }) }] }, bytes }
}

function textBytes(part: Message['parts'][number]): number {
  return 'text' in part ? part.text.length : 0
}
