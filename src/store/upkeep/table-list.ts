/** Every table of a user's rows, for whoever copies, counts or checks them: the same columns in both dialects. */

export interface TableFacts {
  readonly name: string
  /** Rows are copied and compared in its order. Begins with `user`: a user's rows stand together. */
  readonly key: readonly string[]
}

const table = (name: string, ...key: readonly string[]): TableFacts => ({ name, key: ['user', ...key] })

/** The journal goes first: what else there is follows from it. */
export const storeTables: readonly TableFacts[] = [
  table('journal', 'seq'),
  table('blob', 'hash'),
  table('message', 'session', 'seq'),
  table('open_call', 'call'),
  table('session', 'id'),
  table('account', 'scope'),
  table('lane', 'session'),
  table('memory_state'),
  table('memory_entry', 'key'),
  table('memory_passage', 'id'),
  table('memory_removal', 'version', 'passage'),
  table('memory_model', 'model'),
  table('memory_vectors', 'model', 'block'),
  table('memory_cursor', 'name'),
  table('wrapped_key', 'id'),
  table('secret', 'name'),
  table('zoey', 'kind', 'id'),
]

/** Follows from the others and is made anew, never copied. */
export const madeTables: ReadonlySet<string> = new Set(['memory_posting', 'memory_near'])

/** Tables that are no user's: what steps ran, and how far a move has come. */
export const ownTables: ReadonlySet<string> = new Set(['migration', 'move_cursor'])
