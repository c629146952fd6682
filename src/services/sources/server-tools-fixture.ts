/** Five hundred tools of servers, and questions that one of them answers, for tests and benchmarks. */
import type { Call } from '../../protocol/index.ts'
import { done, testCall } from '../../kernel/kernel-fixture.ts'

/** A tool as a server offers it. */
export const serverTool = (name: string, more: Partial<Call> = {}): Call =>
  testCall(name, async () => done('told by the server'), {
    right: name.split('.').slice(0, 2).join('.'),
    labels: { adds: ['untrusted'], sink: true },
    effect: 'once',
    rare: true,
    parameters: { type: 'object', properties: { x: { $ref: '#/$defs/x' } }, $defs: { x: { type: 'string', maxLength: 3 } } },
    ...more,
  })

const objects =
  'issue|branch|file|customer|invoice|payment|calendar event|message|channel|photo|playlist|device|ticket|dashboard|alert|database row|page|comment|task|contact|order|product|subscription|report|release'
const actions: Readonly<Record<string, string>> = {
  create: 'Creates a new OBJECT with a title and a text.',
  update: 'Changes fields of an existing OBJECT.',
  delete: 'Deletes an OBJECT for ever.',
  list: 'Lists every OBJECT, newest first, page by page.',
  search: 'Finds an OBJECT by words in it.',
  get: 'Reads one OBJECT with all its details.',
  archive: 'Moves an OBJECT to the archive.',
  share: 'Shares an OBJECT with a person or a group.',
  assign: 'Assigns an OBJECT to a person.',
  export: 'Exports an OBJECT as CSV or JSON.',
  import: 'Imports an OBJECT from a document.',
  watch: 'Subscribes to changes of an OBJECT.',
  tag: 'Adds a label to an OBJECT.',
  merge: 'Merges one OBJECT into another.',
  restore: 'Restores a deleted OBJECT.',
  duplicate: 'Copies an OBJECT under another name.',
  count: 'Counts how many OBJECT entries there are.',
  lock: 'Locks an OBJECT against changes.',
  translate: 'Translates the text of an OBJECT.',
  rate: 'Rates an OBJECT with stars.',
}

export const manyTools: readonly Call[] = objects
  .split('|')
  .flatMap((object) =>
    Object.entries(actions).map(([verb, text]) =>
      serverTool(`mcp.${object.replace(' ', '-')}s.${verb}_${object.replace(' ', '_')}`, { summary: text.replace('OBJECT', object) }),
    ),
  )

export const searchCall: Call = serverTool('tool.search', {
  rare: undefined as never,
  findsTools: true,
  summary: 'Finds further tools by what they do, and loads up to 10.',
})

const phrases: Readonly<Record<string, string>> = {
  create: 'create an OBJECT',
  update: 'change the fields of this OBJECT',
  delete: 'delete OBJECTs',
  list: 'which OBJECTs are there, list them',
  search: 'search OBJECTs by words',
  share: 'share the OBJECT with Ada',
  export: 'export every OBJECT to CSV',
  translate: 'translate an OBJECT',
}

/** Two hundred. */
export const questions: readonly { readonly question: string; readonly wanted: string }[] = objects.split('|').flatMap((object) =>
  Object.entries(phrases).map(([verb, text]) => ({
    question: text.replace('OBJECT', object),
    wanted: `mcp_${object.replace(' ', '-')}s_${verb}_${object.replace(' ', '_')}`,
  })),
)
