/** Schemas of what is said of a plugin and of its host; the types follow from them. Limits on numbers and lengths apply to one plugin. */
import { z } from 'zod'
import type { PluginExports, PluginHook, PluginTestResult } from './plugin.ts'
import { isObject, type JsonObject } from '../../base/index.ts'

const maxParts = 500
const maxNameChars = 100
const maxDescriptionChars = 4_000
/** Of why a test failed. */
const maxProblemChars = 4_000

const name = z.string().min(1).max(maxNameChars)
const description = z.string().max(maxDescriptionChars)
const object = z.custom<JsonObject>((value) => isObject(value), 'must be a JSON object').meta({ type_name: 'JsonObject' })

function list<Part extends z.ZodType>(part: Part): z.ZodReadonly<z.ZodArray<Part>> {
  return z.array(part).max(maxParts).readonly()
}

const action = z.strictObject({
  name,
  description,
  similes: z.array(name).max(50).readonly(),
  parameters: object.describe('JSON Schema of an object.'),
  effect: z.enum(['none', 'idempotent', 'once']),
  tier: z.enum(['read_only', 'side_effecting', 'privileged']),
})

const provider = z.strictObject({
  name,
  description,
  position: z.number(),
  private: z.boolean(),
  dynamic: z.boolean(),
  deadline_ms: z.number().min(1).max(10_000),
})

const evaluator = z.strictObject({ name, description, always: z.boolean() })

const route = z.strictObject({ method: z.string().regex(/^[A-Z]{3,7}$/), path: z.string().startsWith('/').max(500), public: z.boolean() })

const task = z
  .strictObject({ name, every_s: z.number().min(1).nullable(), cron: z.string().max(200).nullable() })
  .describe('Has either `every_s` or `cron`; the other is null.')

const hook = z.strictObject({ step: name, fail: z.enum(['open', 'closed']) })

export const pluginHooks: z.ZodType<readonly PluginHook[]> = list(hook)

export const pluginExports: z.ZodType<PluginExports> = z.strictObject({
  actions: list(action),
  providers: list(provider),
  evaluators: list(evaluator),
  services: list(z.strictObject({ type: name, description })),
  models: list(z.strictObject({ type: name, provider: name, priority: z.number() })),
  routes: list(route),
  tasks: list(task),
  events: list(name).describe('Names of events; `*`: all of them.'),
  hooks: pluginHooks,
})

export const pluginTests: z.ZodType<{ readonly results: readonly PluginTestResult[] }> = z.strictObject({
  results: list(
    z.strictObject({
      suite: z.string().max(maxNameChars),
      name,
      ok: z.boolean(),
      problem: z.string().max(maxProblemChars).describe('Why it failed; empty: it did not.'),
    }),
  ),
})

export const pluginHostState = z.strictObject({
  phase: z
    .enum(['stopped', 'starting', 'running', 'waiting', 'disabled'])
    .describe('`disabled`: it has crashed too often, and starts again when a person enables or reloads it.'),
  problem: z.string().describe('Why it last ended, for people; empty: it has not, or nothing was wrong.'),
  crashes: z.int().describe('Within the last ten minutes.'),
  log: z.string().describe('The end of what it has written; hostile text.'),
  withheld: z
    .array(z.string())
    .readonly()
    .exactOptional()
    .describe('Parts that are not used, because its manifest does not name them; for people.'),
})

export type PluginHostState = z.infer<typeof pluginHostState>

export const pluginData = z.strictObject({ bytes: z.number(), max_bytes: z.number() })

/** How much a plugin keeps in its folder `/data`, and how much it may keep. */
export type PluginData = z.infer<typeof pluginData>
