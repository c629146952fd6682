/** `oxbow state`: saved documents, which people name `category/name`. */
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { isOxbowError, type Json, type JsonObject, OxbowError, textIn } from '../../base/index.ts'
import type { AskCall, OutputOf, ServiceVerb } from '../../protocol/index.ts'

/** Of a verb about one document. */
const one = { typed: { document: { field: '', help: 'category/name' } }, omit: true } as const

export const stateVerbs: readonly ServiceVerb[] = [
  {
    words: 'state',
    summary: 'list, show, save and delete saved documents',
    examples: ['oxbow state list projects', 'oxbow state load projects/oxbow'],
  },
  {
    words: 'state list <category>',
    summary: 'list the documents of a category',
    examples: ['oxbow state list projects', 'oxbow state list projects --json'],
    call: 'state.list',
    typed: { '--after <name>': 'after', '--limit <n>': { field: 'limit', help: 'maximum number of documents to list' } },
    show: listText,
  },
  {
    words: 'state load <document>',
    summary: 'print a document',
    examples: ['oxbow state load projects/oxbow', 'oxbow state load projects/oxbow --json'],
    call: 'state.load',
    ...one,
    input: (input, { options }) => ({ ...input, ...placeOf(options['document']) }),
    show: ({ data }: { readonly data: Json }) => (typeof data === 'string' ? plainText(data) : JSON.stringify(data, null, 2)),
  },
  {
    words: 'state save <document> [text]',
    summary: 'save a document; without a text, from standard input',
    examples: [`oxbow state save projects/oxbow '{"status": "active"}'`, 'oxbow state save notes/today --markdown < today.md'],
    call: 'state.save',
    ...one,
    typed: {
      ...one.typed,
      text: { field: '', help: 'JSON, or Markdown; -: from standard input' },
      '--markdown': { field: 'format', value: 'markdown', help: 'the text is Markdown, not JSON' },
      '--if-version <n>': { field: 'if_version', help: 'save only over this version; 0: only if it is new' },
    },
    async input(input, { options, readPiped }) {
      const place = placeOf(options['document'])
      const { text = '-' } = options
      const content = text === '-' ? await readPiped() : String(text)
      return { ...input, ...place, data: input['format'] === 'markdown' ? content : jsonOf(content) }
    },
    show: ({ version }: { readonly version: number }, { input }) => `Saved ${pathOf(input)}, version ${version}.`,
  },
  {
    words: 'state delete <document>',
    summary: 'delete a document',
    examples: ['oxbow state delete projects/oxbow'],
    call: 'state.delete',
    ...one,
    input: (input, { options }) => ({ ...input, ...placeOf(options['document']) }),
    async preview(place, ask) {
      const found = await loaded(place, ask)
      if (found === null) return { would: '', nothing: `There was no document ${pathOf(place)}.`, target: place }
      const { version, saved_at, saved_by } = found
      return { would: `delete ${pathOf(place)}, version ${version}`, target: { ...place, version, saved_at, saved_by } }
    },
    show: ({ existed }: { readonly existed: boolean }, { input }) =>
      existed ? `Deleted ${pathOf(input)}.` : `There was no document ${pathOf(input)}.`,
  },
]

/** @returns null for a document that does not exist */
async function loaded(place: JsonObject, ask: AskCall): Promise<OutputOf<'state.load'> | null> {
  return ask('state.load', place).catch((error: unknown) => {
    if (isOxbowError(error, 'not_found')) return null
    throw error
  })
}

const pathOf = (place: JsonObject): string => `${textIn(place, 'category')}/${textIn(place, 'name')}`

/** `category/name`, where the category may have slashes of its own. @throws OxbowError `bad_input` */
function placeOf(typed: unknown): JsonObject {
  const path = String(typed)
  const slash = path.lastIndexOf('/')
  if (slash > 0 && slash < path.length - 1) return { category: path.slice(0, slash), name: path.slice(slash + 1) }
  throw new OxbowError('bad_input', `${JSON.stringify(path)} is not category/name`, {
    hint: 'For example: oxbow state load projects/oxbow',
  })
}

/** @throws OxbowError `bad_input` */
function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new OxbowError('bad_input', 'the document is not valid JSON', { hint: 'Add --markdown to save it as a text.', cause })
  }
}

function listText({ documents, next }: OutputOf<'state.list'>, { input }: { readonly input: JsonObject }): string {
  const category = plainLine(textIn(input, 'category'), 100)
  if (documents.length === 0) return `There is no document in ${category}.`
  const rows = documents.map((row) => [plainLine(row.name, 60), `version ${row.version}`, formatTime(row.saved_at), row.saved_by])
  return `${table(rows)}${next === null ? '' : `\nMore: oxbow state list ${category} --after ${JSON.stringify(next)}`}`
}
