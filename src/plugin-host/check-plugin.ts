/** Checks what an entry exports: a part that is wrong, or a name that is misspelt, fails here with its place, not later without a word. */
import { isObject, nearestNames } from '../base/index.ts'
import { type Effect, hookSteps, type Tier } from '../protocol/index.ts'
import { hookAliases } from './hook-aliases.ts'
import type { ActionPart, EvaluatorPart, HookPart, PluginObject, ProviderPart, RoutePart, ServicePart, TaskPart } from './plugin-object.ts'
import type { TestSuite } from './run-tests.ts'

/** What a field of a part holds; a list: one of its values. */
type Kind = 'string' | 'number' | 'boolean' | 'function' | 'list' | 'object' | readonly string[]
type Fields<Part> = { readonly [Field in keyof Part]-?: Kind }

const pluginFields: Fields<PluginObject> = {
  name: 'string',
  description: 'string',
  init: 'function',
  dispose: 'function',
  actions: 'list',
  providers: 'list',
  evaluators: 'list',
  services: 'list',
  models: 'object',
  routes: 'list',
  tasks: 'list',
  events: 'object',
  hooks: 'list',
  tests: 'list',
}

/** What plugins of elizaOS have as well, which has no meaning here. */
const elizaFields: readonly string[] = 'adapter app componentTypes config dependencies priority schema testDependencies'.split(' ')

interface ListRule {
  readonly fields: Readonly<Record<string, Kind>>
  readonly needs: readonly string[]
  /** Fields of elizaOS without a meaning here. */
  readonly ignored: readonly string[]
}

function rule<Part>(fields: Fields<Part>, needs: readonly (keyof Part & string)[], ignored: readonly string[] = []): ListRule {
  return { fields, needs, ignored }
}

const effects = ['none', 'idempotent', 'once'] as const satisfies readonly Effect[]
const tiers = ['read_only', 'side_effecting', 'privileged'] as const satisfies readonly Tier[]

const actionFields: Fields<ActionPart> = {
  name: 'string',
  description: 'string',
  similes: 'list',
  parameters: 'object',
  effect: effects,
  tier: tiers,
  validate: 'function',
  handler: 'function',
}

const providerFields: Fields<ProviderPart> = {
  name: 'string',
  description: 'string',
  position: 'number',
  private: 'boolean',
  dynamic: 'boolean',
  deadline_ms: 'number',
  get: 'function',
}

const lists: Readonly<Record<string, ListRule>> = {
  actions: rule<ActionPart>(actionFields, ['name', 'handler'], ['examples', 'tags']),
  providers: rule<ProviderPart>(providerFields, ['name', 'get']),
  evaluators: rule<EvaluatorPart>(
    { name: 'string', description: 'string', alwaysRun: 'boolean', validate: 'function', handler: 'function' },
    ['name', 'handler'],
    ['examples', 'similes'],
  ),
  services: rule<ServicePart>(
    { serviceType: 'string', capabilityDescription: 'string', start: 'function' },
    ['serviceType', 'start'],
    ['name', 'stop'],
  ),
  routes: rule<RoutePart>(
    { type: 'string', path: 'string', public: 'boolean', handler: 'function' },
    ['type', 'path', 'handler'],
    ['name', 'filePath', 'isMultipart'],
  ),
  tasks: rule<TaskPart>({ name: 'string', every_s: 'number', cron: 'string', run: 'function' }, ['name', 'run']),
  hooks: rule<HookPart>({ step: [...hookSteps, ...Object.keys(hookAliases)], fail: ['open', 'closed'], run: 'function' }, ['step', 'run']),
  tests: rule<TestSuite<never>>({ name: 'string', tests: 'list' }, ['name', 'tests']),
}

type ModelPart = Extract<NonNullable<PluginObject['models']>[string], { readonly handler: unknown }>
const modelRule = rule<ModelPart>({ priority: 'number', handler: 'function' }, ['handler'])

/** @returns the plugin that a module exports, as `default` or by another name @throws Error that names what is wrong */
export function pluginOf(module: Readonly<Record<string, unknown>>, entry: string): PluginObject {
  const exported = [module['default'], module['plugin'], ...Object.values(module)]
  const found = exported.find(isPlugin)
  if (found === undefined) throw new Error(`${entry} exports no plugin: export default definePlugin({ name, … }).`)
  const { name } = found
  const wrong = Object.keys(found).find((field) => !Object.hasOwn(pluginFields, field) && !elizaFields.includes(field))
  if (wrong !== undefined) throw new Error(`${name} has ${wrong}, which is no part of a plugin${nearTo(wrong, Object.keys(pluginFields))}.`)
  for (const [part, kind] of Object.entries(pluginFields)) {
    const value: unknown = Reflect.get(found, part)
    if (value !== undefined && !isKind(value, kind)) throw new Error(`${part} of ${name} must be ${kindText(kind)}.`)
  }
  for (const [list, asked] of Object.entries(lists))
    for (const [place, part] of ((Reflect.get(found, list) as readonly unknown[] | undefined) ?? []).entries())
      checkPart(part, `${list}[${place}] of ${name}`, asked)
  for (const [place, { every_s, cron }] of (found.tasks ?? []).entries())
    if (every_s === undefined && cron === undefined) throw new Error(`tasks[${place}] of ${name} needs every_s or cron.`)
  for (const [type, model] of Object.entries(found.models ?? {}))
    if (typeof model !== 'function') checkPart(model, `models.${type} of ${name}`, modelRule)
  for (const [event, handlers] of Object.entries(found.events ?? {}))
    if (!Array.isArray(handlers) || handlers.some((handler) => typeof handler !== 'function'))
      throw new Error(`events.${event} of ${name} must be a list of functions.`)
  return found
}

/** Objects of a class keep what they need in fields of their own, and a service may be a class: only literals are checked for other fields. */
function checkPart(part: unknown, place: string, { fields, needs, ignored }: ListRule): void {
  for (const [field, kind] of Object.entries(fields)) {
    const value: unknown = part === null || part === undefined ? undefined : Reflect.get(Object(part), field)
    if (value === undefined && needs.includes(field)) throw new Error(`${place} needs ${field}, ${kindText(kind)}.${misspelt(part, field)}`)
    if (value !== undefined && !isKind(value, kind))
      throw new Error(`${place} has ${field} ${JSON.stringify(value) ?? typeof value}, which must be ${kindText(kind)}.`)
  }
  if (!isObject(part) || Object.getPrototypeOf(part) !== Object.prototype) return
  const wrong = Object.keys(part).find((field) => !Object.hasOwn(fields, field) && !ignored.includes(field))
  if (wrong === undefined) return
  const near = nearTo(wrong, Object.keys(fields))
  throw new Error(
    `${place} has ${wrong}, which is no field of it${near === '' ? `: it may have ${Object.keys(fields).join(', ')}` : near}.`,
  )
}

function isKind(value: unknown, kind: Kind): boolean {
  if (typeof kind !== 'string') return typeof value === 'string' && kind.includes(value)
  if (kind === 'list') return Array.isArray(value)
  if (kind === 'object') return typeof value === 'object' && value !== null
  return typeof value === kind
}

const kindText = (kind: Kind): string =>
  typeof kind !== 'string' ? `one of ${kind.join(', ')}` : `${kind === 'object' ? 'an' : 'a'} ${kind}`

/** @returns a sentence about the field that was meant to be `field`; empty: none is near */
function misspelt(part: unknown, field: string): string {
  const [near] = isObject(part) ? nearestNames(field, Object.keys(part), maxEdits(field)) : []
  return near === undefined ? '' : ` Is ${near} misspelt?`
}

/** Short names are near to too many. */
const maxEdits = (typed: string): number => Math.min(3, Math.floor(typed.length / 2))

function nearTo(typed: string, names: readonly string[]): string {
  const [nearest] = nearestNames(typed, names, maxEdits(typed))
  return nearest === undefined ? '' : `: is it ${nearest}`
}

function isPlugin(value: unknown): value is PluginObject {
  return typeof value === 'object' && value !== null && typeof (value as { name?: unknown }).name === 'string'
}
