/**
 * Reads `oxbow.plugin.json`, which anybody may have written: it is a manifest or an error that names each wrong field. Nothing of a plugin is
 * imported for that.
 */
import { posix } from 'node:path'
import { z } from 'zod'
import { isObject, nestsDeeper, OxbowError } from '../../base/index.ts'
import { hookSteps, type PluginManifest, wrongRights } from '../../protocol/index.ts'
import { wrongSettingsSchema } from './settings-schema.ts'

/** Name of the file at the top of a package. */
export const manifestFile = 'oxbow.plugin.json'
/** Manifests are written by hand; a larger one is something else. */
export const maxManifestBytes: number = 256 * 1024
const maxDepth = 16
const maxEntries = 100

/** Version of `oxbow/plugin`, the interface that plugins are written for. */
export const sdkVersion = '1.0.0'

/** Families of our own calls: a plugin's `NAME.ACTION` must not be in one. A test compares it with the existing calls. */
export const reservedNames: ReadonlySet<string> = new Set(
  (
    'a2a access acp agent approval attachment audit branch browser budget call channel client coder command config costs data definition events exec file flow folder goal graph guest heartbeat hook identity key machine mcp ' +
    'media memory model output people persona plan plugin program refusal remote resources role runtime schedule scratchpad secret server session shell skill space state store system task telemetry ' +
    'text time tool turn usage user vault version voice web'
  ).split(' '),
)

const name = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must have up to 40 lower-case letters, digits and -, and begin with a letter')
const version = z.string().regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}(?:[-+][0-9A-Za-z.+-]{1,60})?$/, 'must be a semantic version, such as 1.2.0')
const names = z.array(name).max(maxEntries).default([])
const printable = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\p{C}]*$/u, 'must not have control characters')

const file = z.string().min(1).max(500).refine(isInside, 'must be a file in the package, such as index.js')

/** Whether a relative path, with `/`, stays in its folder. */
export function isInside(path: string): boolean {
  return !path.startsWith('/') && !/[\\\0]/.test(path) && !/^[A-Za-z]:/.test(path) && !posix.normalize(path).startsWith('..')
}

const host = z
  .string()
  .regex(/^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::\d{1,5})?$/, 'must be a host, such as api.example.com')
const folder = z
  .string()
  .max(500)
  .refine(
    (path) => /^\/shared(?:\/|$)/.test(path) && posix.normalize(path) === path && !path.includes('\0'),
    'must be /shared or a folder in it',
  )

const calls = z
  .array(
    z
      .string()
      .max(200)
      .regex(/^[a-z]/, 'must be the right of a call, such as file.read'),
  )
  .max(maxEntries)
  .default([])
  .superRefine((list, context) => {
    const problem = wrongRights(list)
    if (problem !== '') context.addIssue(problem)
    const reserved = list.find((right) => /^(?:secret|model)\.use\b/.test(right))
    if (reserved !== undefined) context.addIssue(`${reserved} belongs into secrets or models`)
  })

const rights = z
  .strictObject({
    calls,
    hosts: z.array(host).max(maxEntries).default([]),
    secrets: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be the name of a secret, such as WEATHER_KEY'))
      .max(maxEntries)
      .default([]),
    paths: z
      .array(z.strictObject({ path: folder, mode: z.enum(['read', 'write']).default('read') }))
      .max(20)
      .default([]),
    memory: z.enum(['none', 'own', 'read', 'write']).default('none'),
    models: z
      .array(z.string().regex(/^[A-Za-z0-9][\w./:@*-]{0,199}$|^\*$/, 'must be a model, such as openai/gpt-5 or openai/*'))
      .max(maxEntries)
      .default([]),
    spend_per_day: z.number().min(0).max(100_000).default(0),
    hooks: z.array(z.enum(hookSteps)).max(hookSteps.length).default([]),
    public_routes: z
      .array(
        z
          .string()
          .max(200)
          .regex(/^\/[^\s\p{C}]*$/u, 'must be the path of a route, such as /status'),
      )
      .max(maxEntries)
      .default([]),
  })
  .prefault({})

const manifestSchema: z.ZodType<PluginManifest> = z.strictObject({
  name,
  version,
  description: printable(500).default(''),
  sdk: z.string().max(100).refine(isRange, 'must be a range of versions, such as ^1.0.0'),
  program: z.enum(['plugin-host', 'eliza-host']).default('plugin-host'),
  entry: z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(file).min(1).max(20)),
  dependencies: names,
  optional: names,
  priority: z.int().min(-1_000_000).max(1_000_000).default(0),
  configSchema: z
    .custom<PluginManifest['configSchema']>(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      'must be an object',
    )
    .default({})
    .superRefine((schema, context) => {
      for (const message of wrongSettingsSchema(schema)) context.addIssue(message)
    }),
  rights,
})

/**
 * @param text of the file @param where names it in the error
 * @throws OxbowError `bad_input` that names each wrong field
 */
export function parseManifest(text: string, where: string = manifestFile): PluginManifest {
  const wrong = (why: string): OxbowError =>
    new OxbowError('bad_input', `${where} is no manifest of a plugin: ${why}`, { hint: 'docs/plugins.md has an example with all fields.' })
  if (Buffer.byteLength(text) > maxManifestBytes) throw wrong(`it has more than ${maxManifestBytes} bytes.`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrong(`it is not JSON (${(error as Error).message.slice(0, 200)}).`)
  }
  if (nestsDeeper(value, maxDepth)) throw wrong(`it is nested more than ${maxDepth} deep.`)
  // For editors.
  if (isObject(value)) value = Object.fromEntries(Object.entries(value).filter(([key]) => key !== '$schema'))
  const { data, error } = manifestSchema.safeParse(value)
  if (data !== undefined) return checked(data, wrong)
  const issues = error.issues.slice(0, 10).map(({ path, message }) => `${path.length === 0 ? '' : `${path.join('.')} `}${message}`)
  throw wrong(`${issues.join('; ').slice(0, 2_000)}.`)
}

function checked(manifest: PluginManifest, wrong: (why: string) => OxbowError): PluginManifest {
  const { name: own, dependencies, optional, program, sdk } = manifest
  if (dependencies.includes(own) || optional.includes(own)) throw wrong(`it depends on itself: ${own} → ${own}.`)
  const both = dependencies.find((each) => optional.includes(each))
  if (both !== undefined) throw wrong(`${both} cannot be needed and optional.`)
  if (program === 'plugin-host' && !inRange(sdkVersion, sdk))
    throw wrong(`it is for version ${sdk} of oxbow/plugin, and this is ${sdkVersion}.`)
  return manifest
}

// Ranges of versions: comparators that must all hold, `^1.2.0`, `~1.2.0`, `>=1.2.0 <2.0.0`, `1.2.0` or `*`.

const comparator = /^(\^|~|>=|<=|>|<|=)?(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/

function isRange(range: string): boolean {
  return range === '*' || range.split(' ').every((each) => comparator.test(each))
}

/** @param range as `isRange` accepts it; whatever follows the three numbers of the version is left out */
export function inRange(text: string, range: string): boolean {
  const own = /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number)
  if (own === undefined) return false
  if (range === '*') return true
  return range.split(' ').every((each) => {
    const [, sign = '=', ...parts] = comparator.exec(each) ?? []
    const wanted = parts.map(Number)
    const order = compare(own, wanted)
    if (sign === '>=') return order >= 0
    if (sign === '<=') return order <= 0
    if (sign === '>') return order > 0
    if (sign === '<') return order < 0
    if (sign === '=') return order === 0
    // What must stay the same: of `~` major and minor, of `^` all up to the first that is not zero.
    const fixed = sign === '~' ? 2 : wanted.findIndex((part) => part > 0) + 1
    return order >= 0 && wanted.slice(0, fixed === 0 ? 3 : fixed).every((part, place) => part === own[place])
  })
}

/** @returns less than zero if the first is the older version */
function compare(a: readonly number[], b: readonly number[]): number {
  const place = a.findIndex((part, index) => part !== b[index])
  return place < 0 ? 0 : (a[place] ?? 0) - (b[place] ?? 0)
}
