/** Routes of plugins: one call for what reaches the gateway below `/plugins/NAME/`. */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, type HostedPlugin, type PluginExports, type PluginRoute, type Provenance, defineCall } from '../../protocol/index.ts'
import { maxRouteBytes, routeTimeoutMs } from './limits.ts'
import { askPlugin, keptBy, mayUse, type PartDeps, pluginNamed, runtimePart } from './part-request.ts'

type RouteInput = z.infer<typeof routeInput>

const texts = z.record(z.string().max(500), z.string().max(16_000))

const routeInput = z.strictObject({
  plugin: z.string().max(100).describe('The plugin.'),
  method: z.string().max(10).describe('Of the request.'),
  path: z.string().max(2_000).describe('Behind the name of the plugin.'),
  query: texts.default({}).describe('Of the address.'),
  headers: texts.default({}).describe('Of the request, without those that prove who sends it.'),
  body: z.base64().max(maxRouteBytes).default('').describe('Base64.'),
  anonymous: z.boolean().default(false).describe('Nobody has signed in: only public routes answer, and the plugin can make no calls.'),
})

export function routeCall(deps: PartDeps): Call {
  return defineCall({
    ...runtimePart,
    name: 'plugin.route',
    summary: 'Answers a request to a route of a plugin; the gateway makes it.',
    input: routeInput,
    output: z.strictObject({ status: z.int(), headers: z.record(z.string(), z.string()), body: z.string().describe('Base64.') }),
    example: { plugin: 'weather', method: 'GET', path: '/today', query: {}, headers: {}, body: '', anonymous: false },
    tier: 'side_effecting',
    right: 'plugins.route',
    effect: 'once',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: routeTimeoutMs,
    recordInput: ({ plugin, method, path, anonymous }) => ({ plugin, method, path, anonymous }),
    recordOutput: ({ status }) => ({ http: status }),
    async run({ plugin: name, anonymous, ...request }, context) {
      const plugin = pluginNamed(deps, name)
      const route = routeFor(plugin, deps.hosts.known(name), request)
      if (!route.public) checkCaller(anonymous, mayUse(context.caller, name), name)
      const tells = async (): Promise<Provenance> => tellable(deps, anonymous, plugin, await keptBy(deps, plugin))
      await tells()
      const denied: typeof context.callAs = async () => {
        const failure = { code: 'denied', message: 'A request that nobody has signed in for makes no calls.', hint: 'Sign in.' } as const
        return { status: 'refused', failure, text: failure.message }
      }
      const within = anonymous || !mayUse(context.caller, name) ? { ...context, callAs: denied } : context
      const params = routeFields(route.path, request.path) ?? {}
      const asked = { ...request, route: route.path, params }
      const output = await askPlugin(deps, within, { plugin, timeoutMs: routeTimeoutMs }, 'route', asked)
      const { labels } = await tells()
      return { output: { ...output, body: withoutSecrets(output.body, deps.conceal) }, text: '', labels }
    },
  })
}

/**
 * Who has not signed in may have had the plugin asked for this, so nobody was asked whether it may tell what it has kept.
 * @throws OxbowError `denied`
 */
function tellable({ flowsFreely }: PartDeps, anonymous: boolean, { name }: HostedPlugin, kept: Provenance): Provenance {
  if (!anonymous || flowsFreely || !kept.labels.includes('private')) return kept
  throw new OxbowError('denied', `The plugin ${name} may have kept private data, so its routes answer only who has signed in.`, {
    hint: `Sign in, or empty what it keeps: oxbow plugin clear ${name}`,
  })
}

/** The gate would find a secret in base64, too, and leave something that is no base64. */
function withoutSecrets(body: string, conceal: PartDeps['conceal']): string {
  const bytes = Buffer.from(body, 'base64')
  const encoding = isUtf8(bytes) ? 'utf8' : 'latin1'
  const text = bytes.toString(encoding)
  const shown = conceal(text)
  return shown === text ? body : Buffer.from(shown, encoding).toString('base64')
}

/** @throws OxbowError `not_found` */
function routeFor(
  { name }: HostedPlugin,
  exports: PluginExports | null,
  { method, path }: Pick<RouteInput, 'method' | 'path'>,
): PluginRoute {
  const found = exports?.routes.find((route) => routeFields(route.path, path) !== null && methodsOf(route).includes(method))
  if (found !== undefined) return found
  throw new OxbowError('not_found', `The plugin ${name} has no route for ${method} ${path}.`, {
    hint: `oxbow plugin info ${name} lists its routes.`,
  })
}

/** @returns the fields that a path has where the pattern has `:name`, `*` for the rest; null: it does not fit */
function routeFields(pattern: string, path: string): Readonly<Record<string, string>> | null {
  const [wanted, parts] = [pattern, path].map((each) => each.split('/').filter((part) => part !== '')) as [string[], string[]]
  const isOpen = wanted.at(-1) === '*'
  if (isOpen) wanted.pop()
  if (isOpen ? parts.length < wanted.length : parts.length !== wanted.length) return null
  const fits = wanted.every((part, i) => part.startsWith(':') || part === parts[i])
  return fits ? Object.fromEntries(wanted.flatMap((part, i) => (part.startsWith(':') ? [[part.slice(1), parts[i] ?? '']] : []))) : null
}

/** @returns `GET` for files, as elizaOS has them */
function methodsOf({ method }: PluginRoute): readonly string[] {
  return method === 'STATIC' || method === 'GET' ? ['GET', 'HEAD'] : [method]
}

/** @throws OxbowError `unauthenticated`, `denied` */
function checkCaller(anonymous: boolean, isAllowed: boolean, plugin: string): void {
  if (anonymous)
    throw new OxbowError('unauthenticated', 'This route answers only after signing in.', {
      hint: 'Send the token of the guest or an API key: Authorization: Bearer …',
    })
  if (!isAllowed)
    throw new OxbowError('denied', `This needs the right plugin.${plugin}.`, {
      hint: `Make a key that has it: \`oxbow keys create NAME --right plugins.route --right plugin.${plugin}\`.`,
    })
}
