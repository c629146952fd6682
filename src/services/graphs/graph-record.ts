/**
 * What is remembered of the runs of graphs, in documents that records of the journal set: the run, each of its paths, and each field of
 * the state that a path has set. A path is a sequence of nodes: the root, a branch of a map, or a graph within a node. A node that has
 * finished is in the record that moves its path on and sets its fields; what a crash interrupts begins again from there.
 *
 * The definitions of a run are kept by their hashes: it runs by those with which it began.
 */
import type { DocumentChange, Documents, ServiceRuns } from '../../kernel/index.ts'
import { type CallId, derivedId, type Failure, type Json, type JsonObject, type SessionId, type TurnId } from '../../base/index.ts'
import { type SandboxTier, type Labels, type Limits } from '../../protocol/index.ts'

/** `success` and `failure`: an end node said so. `failed`: a node did, or a limit was reached. Those and `cancelled` can be resumed. */
type GraphStatus = 'running' | 'success' | 'failure' | 'failed' | 'cancelled'

export interface GraphFailure extends Failure {
  /** The node that failed; empty: none. */
  readonly node: string
}

/** A run of a graph, as its document has it. */
export interface GraphRun {
  /** Follows from the call that started it. */
  readonly id: TurnId
  readonly graph: string
  /** Hashes of the definitions, by name: its own, and the graphs in its nodes. */
  readonly versions: Readonly<Record<string, string>>
  /** Its calls are made in this session, which has the labels of all that its nodes have read. */
  readonly session: SessionId
  /** Session and actor that started it; empty: a person outside of any session. */
  readonly home: SessionId | ''
  readonly starter: string
  /** Of whoever started it, as far as the definition leaves them; with limits to resources. */
  readonly rights: readonly string[]
  /** The weakest isolation that its agents run with; empty: any. */
  readonly tier: SandboxTier | ''
  readonly labels: Labels
  readonly status: GraphStatus
  readonly failure: GraphFailure | null
  readonly output: JsonObject
  readonly text: string
  /** Whether its end was reported to its home: `due` until it is, by mail or as the result of a wait. */
  readonly report: 'none' | 'due' | 'sent'
  /** How often it was resumed by a person. */
  readonly resumed: number
  readonly created_at: number
  readonly ended_at: number | null
  readonly deadline: number | null
  readonly budget?: Limits | undefined
}

export interface GraphPath {
  readonly run: TurnId
  /** Empty: the root. */
  readonly key: string
  /** The definition by which it runs. */
  readonly graph: string
  /** The node at which it is. */
  readonly node: string
  /** Nodes that it has entered: with the key, the identity of a visit. */
  readonly step: number
  /** Tries of this visit that have ended. */
  readonly attempt: number
  /** When this try began, unix milliseconds. */
  readonly since: number
  readonly visits: Readonly<Record<string, number>>
  /** Visits of paths below it that have ended and are forgotten. */
  readonly inner: number
  /** The try of the node above in which it began, or began again. */
  readonly within: number
  /** The join at which a branch ends; empty: it ends at an end node. */
  readonly join: string
  /** `joined`: a branch is at its join. `ended`: at an end node. */
  readonly status: 'running' | 'joined' | 'ended' | 'failed'
  readonly failure: GraphFailure | null
  /** What an end node put out. */
  readonly output: JsonObject
  /** What the person has answered to the question of this visit. */
  readonly answer?: { readonly value: Json; readonly by: string } | undefined
}

/** A field of the state that a path has set. */
interface GraphField {
  readonly value: Json
}

export const graphCategory = 'system/graph_runs'
const graphPathCategory = 'system/graph_paths'
const graphFieldCategory = 'system/graph_fields'
/** Texts of definitions, by hash, as long as a run has them. */
export const graphVersionCategory = 'system/graph_versions'

export const runOf = (call: CallId): TurnId => derivedId('graph run', call) as TurnId
export const sessionOfRun = (run: TurnId): SessionId => derivedId('graph session', run) as SessionId

/** Name of the call of a node: the same after a crash, another one for each visit and each try. */
export function nodeCallId({ run, key, step, attempt }: GraphPath, part: string): CallId {
  return derivedId('graph node', run, key, step, attempt, part) as CallId
}

/** What the core asks about runs; see `Service`. */
export function runsIn(documents: Pick<Documents, 'all' | 'get'>): ServiceRuns {
  return {
    goesOn: async (run) => (await documents.get<GraphRun>(graphCategory, run))?.value.status === 'running',
    sessionOf: sessionOfRun,
    async started() {
      const all = (await documents.all<GraphRun>(graphCategory)).map(({ name }) => name)
      return (_run, calls) => {
        const begun: ReadonlySet<string> = new Set([...calls].map((call) => runOf(call as CallId)))
        return { runs: all.filter((run) => begun.has(run)) }
      }
    },
  }
}

function pathName(run: TurnId, key: string): string {
  return `${run}/${key}`
}

function fieldName(run: TurnId, key: string, field: string): string {
  return `${run}/${key}:${field}`
}

export const runChange = (run: GraphRun): DocumentChange => ({ category: graphCategory, name: run.id, value: run })
/** The change that keeps a path of a run. */
export const pathChange = (path: GraphPath): DocumentChange => ({
  category: graphPathCategory,
  name: pathName(path.run, path.key),
  value: path,
})

export function fieldChanges({ run, key }: GraphPath, fields: Readonly<Record<string, Json>>): readonly DocumentChange[] {
  return Object.entries(fields).map(([field, value]) => ({
    category: graphFieldCategory,
    name: fieldName(run, key, field),
    value: { value } satisfies GraphField,
  }))
}

/** A path as a restart finds it. */
export interface KeptPath {
  readonly record: GraphPath
  readonly fields: ReadonlyMap<string, Json>
}

/** @returns the paths of a run by their keys, each with the fields that it has set */
export async function readPaths(documents: Pick<Documents, 'list'>, run: TurnId): Promise<ReadonlyMap<string, KeptPath>> {
  const paths = new Map<string, { readonly record: GraphPath; readonly fields: Map<string, Json> }>()
  for (const { value } of await under<GraphPath>(documents, graphPathCategory, run))
    paths.set(value.key, { record: value, fields: new Map() })
  for (const { name, value } of await under<GraphField>(documents, graphFieldCategory, run)) {
    const [key = '', field = ''] = name.slice(run.length + 1).split(':')
    paths.get(key)?.fields.set(field, value.value)
  }
  return paths
}

/** @returns the changes that delete paths with their fields */
export function withoutPaths(paths: Iterable<KeptPath>): readonly DocumentChange[] {
  return [...paths].flatMap(({ record: { run, key }, fields }) => [
    { category: graphPathCategory, name: pathName(run, key), value: null },
    ...[...fields.keys()].map((field) => ({ category: graphFieldCategory, name: fieldName(run, key, field), value: null })),
  ])
}

interface Named<Value> {
  readonly name: string
  readonly value: Value
}

async function under<Value>(documents: Pick<Documents, 'list'>, category: string, run: TurnId): Promise<readonly Named<Value>[]> {
  const prefix = `${run}/`
  const found: Named<Value>[] = []
  for (let after = prefix.slice(0, -1); ;) {
    const page = await documents.list<Value>(category, pageRows, after)
    const own = page.filter(({ name }) => name.startsWith(prefix))
    found.push(...own)
    if (own.length < page.length || page.length < pageRows) return found
    after = page.at(-1)!.name
  }
}

const pageRows = 200
