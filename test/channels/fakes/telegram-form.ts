/** The body of a request to the Bot API: JSON, or a multipart form with files, as the official client sends it. */
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
