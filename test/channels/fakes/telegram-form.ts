/** Files of the Bot API: in the body of a request, JSON or a multipart form as the official client sends it, and in a message. */
import type { IncomingMessage } from 'node:http'

/** Fields as values, and the files that came along. */
export interface Form {
  readonly fields: Readonly<Record<string, unknown>>
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

export async function readForm(request: IncomingMessage): Promise<Form> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of request) pieces.push(piece as Buffer)
  } catch {
    return { fields: {}, files: [] }
  }
  const body = Buffer.concat(pieces)
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data'))
    return { fields: body.length === 0 ? {} : (JSON.parse(body.toString()) as Record<string, unknown>), files: [] }
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
  const fields: Record<string, unknown> = {}
  const files: { name: string; bytes: Uint8Array }[] = []
  for (const [key, value] of form)
    if (typeof value === 'string') fields[key] = valueOf(value)
    else files.push({ name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) })
  return { fields, files }
}

/** Objects come as JSON; an id does not become a number. */
function valueOf(text: string): unknown {
  if (!/^[[{]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** @param files those that can be read, by their ids @returns the field of a message in which a file is */
export function fileField(
  files: Map<string, Uint8Array>,
  { name, bytes, recorded = false }: { readonly name: string; readonly bytes: Uint8Array; readonly recorded?: boolean },
): object {
  const id = `file-${files.size}`
  files.set(id, bytes)
  const sent = { file_id: id, file_unique_id: id, file_size: bytes.length }
  if (recorded) return { voice: { ...sent, duration: 1, mime_type: 'audio/ogg' } }
  return /\.(?:mp3|m4a)$/.test(name) ? { audio: { ...sent, file_name: name, duration: 1 } } : { document: { ...sent, file_name: name } }
}
