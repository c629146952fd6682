/**
 * The addresses of the HTTP API: which call answers a method and a path below `/api/v1`, as the calls themselves say it. Segments such as
 * `{id}`, the query and the JSON body together are the input of the call, so a field has the same name everywhere; what the schema of the call
 * does not know is refused. Every call that terminals may make is also at `POST /calls/{name}`.
 */
import type { CallRoute } from '../../protocol/index.ts'

type Method = CallRoute['method']

/** An address of the HTTP API, and the call behind it. */
export interface Route extends CallRoute {
  readonly call: string
}

export function routesOf(calls: Iterable<{ readonly name: string; readonly routes: readonly CallRoute[] }>): readonly Route[] {
  return [...calls].flatMap(({ name, routes }) => routes.map((route) => ({ ...route, call: name })))
}

interface Matched {
  readonly route: Route
  /** Decoded segments by field. */
  readonly fields: Readonly<Record<string, string>>
}

type Match = Matched | { readonly allowed: readonly Method[] }

function patternOf(path: string): RegExp {
  const source = path
    .replaceAll('.', '\\.')
    .replaceAll(/\{(\w+)(\+?)\}/g, (_, field: string, rest: string) => `(?<${field}>${rest === '' ? '[^/]+' : '.+'})`)
  return new RegExp(`^${source}$`)
}

/** Finds the route of a request. */
export type MatchRoute = (method: string, path: string) => Match

/**
 * The path is below `/api/v1`, as sent. The function that is made returns the route, or the methods that the path has; none: nothing is there.
 * It throws URIError for a segment that is no valid percent-encoding.
 */
export function matcherOf(routes: readonly Route[]): MatchRoute {
  const patterns = routes.map((route) => ({ route, pattern: patternOf(route.path) }))
  return (method, path) => {
    const call = /^\/calls\/([a-z][a-z0-9_.-]*)$/.exec(path)?.[1]
    if (call !== undefined) return method === 'POST' ? { route: { method, path, call }, fields: {} } : { allowed: ['POST'] }
    const matching = patterns.flatMap(({ route, pattern }) => {
      const found = pattern.exec(path)
      return found === null ? [] : [{ route, groups: found.groups ?? {} }]
    })
    // Words before fields: `/agents/wait` is no agent.
    const best = matching.filter(({ route }) => route.method === method).toSorted((a, b) => fieldsIn(a.route) - fieldsIn(b.route))[0]
    if (best === undefined) return { allowed: [...new Set(matching.map(({ route }) => route.method))].sort() }
    const fields = Object.entries(best.groups).map(([name, text]) => [name, decodeURIComponent(text)] as const)
    return { route: best.route, fields: Object.fromEntries(fields) }
  }
}

function fieldsIn({ path }: Route): number {
  return path.split('{').length
}
