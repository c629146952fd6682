/** An approved tool of a server as a call: untrusted, with an effect that is not repeated, and a sink, unless a person says otherwise. */
import { z } from 'zod'
import { isObject, isOxbowError, type Json, type JsonObject, OxbowError, problemLines, type SchemaChecker } from '../../base/index.ts'
import { type Blobs, type Call, defineCall, type KeptFile, type ProgramSees } from '../../protocol/index.ts'
import { type Connection, isLost } from './connection.ts'
import { visible } from './definitions.ts'
import { maxPictureBytes, maxResultChars, maxResultPictures } from './limits.ts'
import type { ApprovedTool, NamedServer } from './settings.ts'

const anyObject = z.custom<JsonObject>((value) => isObject(value), 'the arguments must be one JSON object')

interface ToolDeps {
  readonly server: NamedServer
  readonly tool: ApprovedTool
  readonly connection: Connection
  readonly schemas: SchemaChecker
}

export function toolCall({ server, tool, connection, schemas }: ToolDeps): Call {
  const { definition, readOnly, sink, part } = tool
  return defineCall({
    name: `mcp.${server.name}.${part}`,
    summary: definition.description === '' ? definition.title || definition.name : definition.description,
    input: anyObject,
    parameters: definition.inputSchema,
    output: anyObject,
    example: {},
    tier: readOnly ? 'read_only' : 'side_effecting',
    right: `mcp.${server.name}`,
    effect: readOnly ? 'none' : 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink },
    rare: true,
    ...filesOf(server),
    timeoutMs: server.settings.timeout_s * 1_000,
    async run(input, context) {
      const { caller, signal, progress, blobs, call } = context
      const problems = await schemas.validate(definition.inputSchema, input)
      if (problems.length > 0)
        throw new OxbowError('bad_input', `The arguments do not fit the schema of ${definition.name}:\n${problemLines(problems)}`, {
          hint: 'Correct them and call again; nothing was sent.',
        })
      const once = async (): Promise<JsonObject> => {
        await checkApproved(server, tool, connection, signal)
        const options = { signal, onProgress: (text: string) => progress(visible(text)) }
        const asker = { session: caller.session, call }
        return context.whileProgram(seenBy(server), () =>
          connection.request(asker, signal, (client) => client.callTool(definition.name, input, options)),
        )
      }
      const result = await once().catch((error: unknown) => {
        if (!isLost(error)) throw error
        if (readOnly) return once()
        throw unknownEffect(server.name, error)
      })
      const { text, files } = await readResult(result, blobs)
      const misfit = await misfitOf(result, definition.outputSchema, schemas)
      const structured = misfit === '' ? result['structuredContent'] : undefined
      const output = { text, ...(structured !== undefined && { structured }) }
      return { output, text: `${text}${misfit}`, files, ok: result['isError'] !== true && misfit === '' }
    },
  })
}

/** @returns the fact of a call that a server serves */
export function filesOf(server: NamedServer): Pick<Call, 'files' | 'folders'> {
  const { folders } = seenBy(server)
  return folders.length > 0 ? { files: 'workspace', folders } : {}
}

/** @returns the files that a server sees by itself */
export function seenBy({ settings }: NamedServer): ProgramSees {
  return { folders: settings.folders.map((folder) => folder.replace(/:rw$/, '')) }
}

/** @throws OxbowError `denied` */
async function checkApproved(server: NamedServer, tool: ApprovedTool, connection: Connection, signal: AbortSignal): Promise<void> {
  const { tools } = await connection.listed(signal)
  const now = tools.find(({ definition }) => definition.name === tool.definition.name)
  if (now?.hash === tool.hash) return
  const name = `${server.name}.${tool.definition.name}`
  throw new OxbowError(
    'denied',
    now === undefined ? `The tool ${name} does not exist any more.` : `The tool ${name} has changed since a person approved it.`,
    {
      hint: `Continue without it. A person can look at the change: oxbow servers diff ${server.name}.`,
    },
  )
}

function unknownEffect(server: string, cause: unknown): OxbowError {
  return new OxbowError('outcome_unknown', `The server ${server} ended during this call, so it is not known whether it took effect.`, {
    hint: 'Look at what it was to change before you call again; it is not repeated by itself.',
    cause,
  })
}

/** @returns the text for a model, and the pictures, which are kept */
async function readResult(result: JsonObject, blobs: Blobs): Promise<{ readonly text: string; readonly files: readonly KeptFile[] }> {
  const content = Array.isArray(result['content']) ? result['content'].filter(isObject) : []
  const lines: string[] = []
  const files: KeptFile[] = []
  for (const part of content) {
    const { type, text, data, mimeType, uri, name, resource } = part
    if (type === 'text' && typeof text === 'string') lines.push(text)
    else if (type === 'image' && typeof data === 'string' && typeof mimeType === 'string') {
      const file = await keepPicture(data, mimeType, blobs, files.length)
      if (file !== null) files.push(file)
      lines.push(file === null ? '[a picture that is too large, or one of too many]' : `[picture ${file.name}, ${file.bytes} bytes]`)
    } else if (type === 'resource' && isObject(resource)) {
      lines.push(`[resource ${textOf(resource['uri'])}]`, typeof resource['text'] === 'string' ? resource['text'] : '[binary]')
    } else if (type === 'resource_link') lines.push(`[link ${textOf(uri)} ${textOf(name)}]`)
    else lines.push(`[${textOf(type)}, which cannot be shown]`)
  }
  const structured = result['structuredContent']
  if (lines.length === 0 && structured !== undefined) lines.push(JSON.stringify(structured))
  return { text: lines.join('\n').slice(0, maxResultChars).toWellFormed(), files }
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** @returns null for what is no picture, is too large, or is one of too many */
export async function keepPicture(data: string, mediaType: string, blobs: Blobs, index: number): Promise<KeptFile | null> {
  if (index >= maxResultPictures || data.length > (maxPictureBytes * 4) / 3 + 4 || !/^image\/(?:png|jpeg|gif|webp)$/.test(mediaType))
    return null
  const bytes = Buffer.from(data, 'base64')
  const name = `picture-${index + 1}.${mediaType.slice('image/'.length)}`
  return { name, media_type: mediaType, bytes: bytes.length, pieces: [await blobs.keep(bytes)] }
}

/** @returns a note for the model when the structured content is not what was approved; empty if it is */
async function misfitOf(result: JsonObject, schema: JsonObject | null, schemas: SchemaChecker): Promise<string> {
  const structured = result['structuredContent']
  if (schema === null || structured === undefined || result['isError'] === true) return ''
  const problems = await schemas.validate(schema, structured).catch((error: unknown) => [{ path: '', message: failureText(error) }])
  return problems.length === 0 ? '' : `\n[its structured content does not fit the approved schema]\n${problemLines(problems)}`
}

function failureText(error: unknown): string {
  if (isOxbowError(error)) return `could not be checked: ${error.message}`
  throw error
}
