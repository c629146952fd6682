/** Checks what an entry exports: a part that is wrong, or a name that is misspelt, fails here with its place, not later without a word. */
import { isObject, nearestNames } from '../types/index.ts'
import type { ActionPart, EvaluatorPart, HookPart, PluginObject, ProviderPart, RoutePart, ServicePart, TaskPart } from './plugin-object.ts'
import type { TestSuite } from './run-tests.ts'

type Fields<Part> = { readonly [Field in keyof Part]-?: true }
type Needs<Part> = Readonly<Partial<Record<keyof Part, 'string' | 'function'>>>

const pluginFields: Fields<PluginObject> = {
  name: true,
  description: true,
  init: true,
  dispose: true,
  actions: true,
  providers: true,
  evaluators: true,
  services: true,
  models: true,
  routes: true,
  tasks: true,
  events: true,
  hooks: true,
  tests: true,
}

/** What plugins of elizaOS have as well, which has no meaning here. */
const elizaFields: readonly string[] = 'adapter app componentTypes config dependencies priority schema testDependencies'.split(' ')

interface ListRule {
  readonly fields: readonly string[]
  readonly needs: readonly (readonly [field: string, type: 'string' | 'function'])[]
  /** Fields of elizaOS without a meaning here. */
  readonly ignored: readonly string[]
}

function rule<Part>(fields: Fields<Part>, needs: Needs<Part>, ignored: readonly string[] = []): ListRule {
  return { fields: Object.keys(fields), needs: Object.entries(needs) as [string, 'string' | 'function'][], ignored }
}

const lists: Readonly<Record<string, ListRule>> = {
  actions: rule<ActionPart>(
    { name: true, description: true, similes: true, parameters: true, effect: true, tier: true, validate: true, handler: true },
    { name: 'string', handler: 'function' },
    ['examples', 'tags'],
  ),
  providers: rule<ProviderPart>(
    { name: true, description: true, position: true, private: true, dynamic: true, deadline_ms: true, get: true },
    { name: 'string', get: 'function' },
  ),
  evaluators: rule<EvaluatorPart>(
    { name: true, description: true, alwaysRun: true, validate: true, handler: true },
    { name: 'string', handler: 'function' },
    ['examples', 'similes'],
  ),
  services: rule<ServicePart>(
    { serviceType: true, capabilityDescription: true, start: true },
    { serviceType: 'string', start: 'function' },
    ['name', 'stop'],
  ),
  routes: rule<RoutePart>(
    { type: true, path: true, public: true, handler: true },
    { type: 'string', path: 'string', handler: 'function' },
    ['name', 'filePath', 'isMultipart'],
  ),
  tasks: rule<TaskPart>({ name: true, every_s: true, cron: true, run: true }, { name: 'string', run: 'function' }),
  hooks: rule<HookPart>({ step: true, fail: true, run: true }, { step: 'string', run: 'function' }),
  tests: rule<TestSuite<never>>({ name: true, tests: true }, { name: 'string' }),
}

/** @returns the plugin that a module exports, as `default` or by another name @throws Error that names what is wrong */
export function pluginOf(module: Readonly<Record<string, unknown>>, entry: string): PluginObject {
  const exported = [module['default'], module['plugin'], ...Object.values(module)]
  const found = exported.find(isPlugin)
  if (found === undefined) throw new Error(`${entry} exports no plugin: export default definePlugin({ name, … }).`)
  const { name } = found
  const wrong = Object.keys(found).find((field) => !Object.hasOwn(pluginFields, field) && !elizaFields.includes(field))
  if (wrong !== undefined) throw new Error(`${name} has ${wrong}, which is no part of a plugin${nearTo(wrong, Object.keys(pluginFields))}.`)
  for (const [list, parts] of Object.entries(found)) {
    const asked = Object.hasOwn(lists, list) ? lists[list] : undefined
    if (asked === undefined || parts === undefined) continue
    if (!Array.isArray(parts)) throw new Error(`${list} of ${name} must be a list.`)
    for (const [place, part] of parts.entries()) checkPart(part, `${list}[${place}] of ${name}`, asked)
  }
  for (const [type, model] of Object.entries(found.models ?? {})) checkPart(model, `models.${type} of ${name}`, modelRule)
  return found
}

const modelRule: ListRule = { fields: ['priority', 'handler'], needs: [], ignored: [] }

/** Objects of a class keep what they need in fields of their own, and a service may be a class: only literals are checked for other fields. */
function checkPart(part: unknown, place: string, { fields, needs, ignored }: ListRule): void {
  for (const [field, type] of needs) {
    // oxlint-disable-next-line valid-typeof -- one of two
    if (part === null || part === undefined || typeof Reflect.get(Object(part), field) !== type)
      throw new Error(`${place} needs ${field}, a ${type}.${misspelt(part, field)}`)
  }
  if (!isObject(part) || Object.getPrototypeOf(part) !== Object.prototype) return
  const wrong = Object.keys(part).find((field) => !fields.includes(field) && !ignored.includes(field))
  if (wrong === undefined) return
  const near = nearTo(wrong, fields)
  throw new Error(`${place} has ${wrong}, which is no field of it${near === '' ? `: it may have ${fields.join(', ')}` : near}.`)
}

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
