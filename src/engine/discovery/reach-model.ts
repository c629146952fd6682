/**
 * Asks the service of the configured model for its list of models: the cheapest request that shows whether the service can be reached and
 * takes the key. Nothing is generated, so nothing is paid for.
 */
import type { IncomingMessage } from 'node:http'
import { isOxbowError } from '../../types/index.ts'
import { connectionProblem } from '../http/http-exchange.ts'
import { loadNamedWire } from '../open-model.ts'
import { findService, readModelName, type Service, type ServiceConfig } from '../services.ts'

export interface ModelReach {
  /** `local`: it runs in this process; `unconfigured`: the configuration names none that can be used; `unknown`: cannot be tried. */
  readonly state: 'reached' | 'local' | 'refused' | 'unreachable' | 'unconfigured' | 'unknown'
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
    return { model: label, ...(await ask(service, service.baseUrl, timeoutMs)) }
  } catch (error) {
    if (!isOxbowError(error)) throw error
    return { state: 'unconfigured', model: label, message: error.message, hint: error.hint }
  }
}

async function ask(service: Service, baseUrl: URL, timeoutMs: number): Promise<Omit<ModelReach, 'model'>> {
  const wire = await loadNamedWire(service.wire)
  const headers = { ...wire?.headers(service.key), ...service.headers, accept: 'application/json', 'user-agent': 'oxbow' }
  const address = new URL(baseUrl)
  address.pathname = `${baseUrl.pathname.replace(/\/+$/, '')}/models`
  const { origin } = baseUrl
  try {
    const status = await statusOf(address, headers, timeoutMs)
    if (status === 401 || status === 403)
      return {
        state: 'refused',
        message: `${origin} refuses the key (${status}).`,
        hint: 'Check the key: `oxbow secret set NAME` replaces it.',
      }
    if (status >= 500)
      return {
        state: 'unreachable',
        message: `${origin} answers with an error (${status}).`,
        hint: 'Try again later, or set model.fallback.',
      }
    // Not every service lists its models; whatever it answered, it was there.
    return { state: 'reached', message: `${origin} answers.`, hint: '' }
  } catch (error) {
    const { code, message, hint } = connectionProblem(error as NodeJS.ErrnoException, { origin }).failure
    return { state: 'unreachable', message, hint: code === 'model_unreachable' ? hint.replace(', then send the message again', '') : hint }
  }
}

/** @returns the status of the answer, whose body is not read. @throws the error of the connection */
function statusOf(address: URL, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<number> {
  const http = process.getBuiltinModule(address.protocol === 'https:' ? 'node:https' : 'node:http')
  const agent = new http.Agent({ proxyEnv: process.env })
  return new Promise<number>((resolve, reject) => {
    const request = http.request(address, { agent, headers }, (response: IncomingMessage) => {
      response.destroy()
      resolve(response.statusCode ?? 0)
    })
    const timer = setTimeout(() => request.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })), timeoutMs)
    request.once('error', reject).once('close', () => clearTimeout(timer))
    request.end()
  }).finally(() => agent.destroy())
}
