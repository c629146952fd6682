/**
 * Asks the service of the configured model for its list of models: the cheapest request that shows whether the service can be reached, takes
 * the key and has the model. Nothing is generated, so nothing is paid for.
 */
import type { IncomingMessage } from 'node:http'
import { isOxbowError, nearestNames, ownValue } from '../../base/index.ts'
import { keyNameOf } from '../../config/index.ts'
import { connectionProblem } from '../http/http-exchange.ts'
import { maxDiscoveryBytes } from '../limits.ts'
import { loadNamedWire } from '../open-model.ts'
import { findBase, pathOf } from './ask-address.ts'
import { listedModels, readObject } from './discover.ts'
import { findService, readModelName, type Service, type ServiceConfig } from '../services.ts'

export interface ModelReach {
  /**
   * `unlisted`: the service is there, and its list lacks the model; `local`: it runs in this process; `unconfigured`: the configuration
   * names none that can be used; `unknown`: cannot be tried.
   */
  readonly state: 'reached' | 'unlisted' | 'local' | 'refused' | 'unreachable' | 'unconfigured' | 'unknown'
  /** `provider/model`, as far as it is known. */
  readonly model: string
  readonly message: string
  /** What to do; empty if nothing. */
  readonly hint: string
}

/** Never rejects. @param timeoutMs for the whole attempt */
export async function reachModel(services: ServiceConfig, timeoutMs: number): Promise<ModelReach> {
  let label = ''
  try {
    const { provider, model } = readModelName('', services)
    label = `${provider}/${model}`
    const service = findService(provider, services)
    if (service.wire === 'offline')
      return { state: 'local', model: label, message: 'No model is set up: plain requests only.', hint: 'Set one up: `oxbow init`.' }
    if (service.wire === 'plugin')
      return { state: 'unknown', model: label, message: 'A plugin is the model; it is asked with the first turn.', hint: '' }
    if (service.baseUrl === null && service.wire !== 'ai-sdk')
      return { state: 'local', model: label, message: 'The model runs in this process.', hint: '' }
    if (service.baseUrl === null)
      return { state: 'unknown', model: label, message: `The package ${service.packageName} knows the address of its service.`, hint: '' }
    return { model: label, ...(await ask(service, service.baseUrl, { name: model, key: baseUrlKey(services, provider), timeoutMs })) }
  } catch (error) {
    if (!isOxbowError(error)) throw error
    return { state: 'unconfigured', model: label, message: error.message, hint: error.hint }
  }
}

type Reach = Omit<ModelReach, 'model'>

interface Wanted {
  readonly name: string
  /** The key of the configuration that holds the base URL. */
  readonly key: string
  readonly timeoutMs: number
}

function baseUrlKey({ config: { model } }: ServiceConfig, provider: string): string {
  return model.base_url === '' ? `providers.${provider}.base_url` : 'model.base_url'
}

async function ask(service: Service, baseUrl: URL, { name, key, timeoutMs }: Wanted): Promise<Reach> {
  const wire = await loadNamedWire(service.wire)
  const headers = { ...wire?.headers(service.key), ...service.headers, accept: 'application/json', 'user-agent': 'oxbow' }
  const { origin } = baseUrl
  const signal = AbortSignal.timeout(timeoutMs)
  const at = (path: string, body?: string): Promise<Answer> =>
    answerOf(Object.assign(new URL(baseUrl), { pathname: path }), { headers, signal, body })
  try {
    const { status, json } = await at(`${pathOf(baseUrl)}/models`)
    if (status === 401 || status === 403) return refusesKey(service, origin, status)
    if (status >= 500)
      return {
        state: 'unreachable',
        message: `${origin} answers with an error (${status}).`,
        hint: 'Try again later, or set model.fallback.',
      }
    const models = listedModels(json)
    if (models !== null)
      return listing(
        service,
        origin,
        models.map((each) => each.name),
        name,
        json?.['has_more'] === true,
      )
    return (await misplaced(service.wire, baseUrl, key, at)) ?? { state: 'reached', message: `${origin} answers.`, hint: '' }
  } catch (error) {
    const { code, message, hint } = connectionProblem(error as NodeJS.ErrnoException, { origin }).failure
    return { state: 'unreachable', message, hint: code === 'model_unreachable' ? hint.replace(', then send the message again', '') : hint }
  }
}

function refusesKey({ id, key }: Service, origin: string, status: number): Reach {
  const name = keyNameOf(id) || 'NAME'
  return key === ''
    ? { state: 'refused', message: `${origin} needs a key (${status}).`, hint: `Store it: \`oxbow secret set ${name}\`.` }
    : {
        state: 'refused',
        message: `${origin} refuses the key (${status}).`,
        hint: `Check the key: \`oxbow secret set ${name}\` replaces it.`,
      }
}

/** @param isPart there are more models than these */
function listing({ id }: Service, origin: string, names: readonly string[], name: string, isPart: boolean): Reach {
  if (isPart || names.length === 0 || names.some((each) => isSame(each, name)))
    return { state: 'reached', message: `${origin} answers.`, hint: '' }
  const near = nearestNames(name, names, Math.ceil(name.length / 2))
  const some = (near.length > 0 ? near : names).slice(0, maxNamed).join(', ')
  return {
    state: 'unlisted',
    message: `${origin} answers, but does not list the model ${JSON.stringify(name)}.`,
    hint: `${near.length > 0 ? 'The nearest that it lists' : 'It lists'}: ${some}. Choose one: \`oxbow config set model.name ${id}/${near[0] ?? 'NAME'}\`.`,
  }
}

/** Services list a model under its whole name: with a date, a tag or a folder that requests may leave out. */
function isSame(listed: string, name: string): boolean {
  return (
    listed === name ||
    listed === `models/${name}` ||
    listed === `${name}:latest` ||
    name.startsWith(`${listed}:`) ||
    (listed.startsWith(name) && /^-(?:\d{4,8}|\d{4}-\d\d-\d\d|latest)$/.test(listed.slice(name.length)))
  )
}

/** Where requests go, below the base URL; only where an empty request, which generates nothing, tells whether somebody is there. */
const requestPaths: Readonly<Partial<Record<Service['wire'], string>>> = {
  'openai-chat': '/chat/completions',
  'openai-responses': '/responses',
}

/**
 * There was no list. Not every service has one, so the address is wrong only if requests are not answered there either.
 * @returns null if it is right, or cannot be tried
 */
async function misplaced(
  wire: Service['wire'],
  baseUrl: URL,
  key: string,
  at: (path: string, body?: string) => Promise<Answer>,
): Promise<Reach | null> {
  const requests = ownValue(requestPaths, wire)
  if (requests === undefined) return null
  const path = pathOf(baseUrl)
  const { status } = await at(`${path}${requests}`, '{}')
  if (status !== 404 && status !== 405) return null
  const message = `${baseUrl.origin}${path} answers, but not as a model service (${status} for ${path}${requests}).`
  const other = await findBase(baseUrl, async (base) => listedModels((await at(`${base}/models`)).json) !== null)
  if (other === '') return { state: 'refused', message, hint: `Check the base URL (${key}): it usually ends in /v1.` }
  return { state: 'refused', message: `${message} ${other} does.`, hint: `Use it: \`oxbow config set ${key} ${other}\`.` }
}

interface Answer {
  readonly status: number
  /** Null unless it is a JSON object of a bearable size. */
  readonly json: Record<string, unknown> | null
}

interface Asked {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Sent as a POST; undefined: a GET. */
  readonly body: string | undefined
}

/** @throws the error of the connection; `ETIMEDOUT` for a signal that ends it */
async function answerOf(address: URL, { headers: own, signal, body }: Asked): Promise<Answer> {
  const http = process.getBuiltinModule(address.protocol === 'https:' ? 'node:https' : 'node:http')
  const agent = new http.Agent({ proxyEnv: process.env })
  const headers = { ...own, ...(body !== undefined && { 'content-type': 'application/json' }) }
  try {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = http.request(address, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, resolve)
    request.once('error', reject).end(body)
    const end = (): unknown => request.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
    try {
      const response = await promise
      return { status: response.statusCode ?? 0, json: await objectIn(response) }
    } finally {
      signal.removeEventListener('abort', end)
      request.destroy()
    }
  } finally {
    agent.destroy()
  }
}

async function objectIn(response: IncomingMessage): Promise<Record<string, unknown> | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > maxDiscoveryBytes) return null
    pieces.push(piece)
  }
  return readObject(Buffer.concat(pieces).toString())
}

const maxNamed = 3
