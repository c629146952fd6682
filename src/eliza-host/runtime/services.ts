/** Services of plugins: started once, after the runtime is ready, and found by their type. */
import { textOfError } from './events.ts'
import type { ElizaRuntime, ServiceMethods, ServiceStatus } from './runtime-types.ts'
import type { ServiceClass, ServiceInstance } from '../eliza-types.ts'

/** As in elizaOS. */
const readyWithinMs = 30_000

interface Waiting {
  readonly promise: Promise<ServiceInstance>
  resolve(service: ServiceInstance): void
  reject(error: Error): void
}

/** `begin` registers a service of a plugin in the background. */
export function serviceMethods(self: ElizaRuntime): ServiceMethods & { begin(service: ServiceClass, plugin: string): Promise<void> } {
  const statuses = new Map<string, ServiceStatus>()
  const waiting = new Map<string, Waiting>()
  const wait = (type: string): Waiting => {
    const there = waiting.get(type)
    if (there !== undefined) return there
    const { promise, resolve, reject } = Promise.withResolvers<ServiceInstance>()
    // Nobody may be waiting for it.
    promise.catch(() => {})
    const made = { promise, resolve, reject }
    waiting.set(type, made)
    return made
  }
  const statusOf = (type: string): ServiceStatus => statuses.get(type) ?? 'unknown'
  const register = async (service: ServiceClass): Promise<void> => {
    const { serviceType: type, name = 'Unknown' } = service
    if (!type) {
      self.logger.warn({ src: 'agent', agentId: self.agentId, serviceName: name }, 'Service missing serviceType property')
      return
    }
    statuses.set(type, 'registering')
    await ready(self.initPromise, type)
    if (typeof service.start !== 'function')
      throw new Error(`Service ${type} does not have a static start method. All services must implement static async start(runtime).`)
    const instance = await service.start(self)
    if (!instance) throw new Error(`Service ${type} start() method returned null or undefined. It must return a Service instance.`)
    self.services.set(type, [...(self.services.get(type) ?? []), instance])
    wait(type).resolve(instance)
    const sends: unknown = service['registerSendHandlers']
    if (typeof sends === 'function') sends.call(service, self, instance)
    statuses.set(type, 'registered')
  }
  return {
    getService: (type) => self.services.get(type)?.[0] ?? null,
    getTypedService: (type) => self.getService(type),
    getServicesByType: (type) => self.services.get(type) ?? [],
    getAllServices: () => self.services,
    getRegisteredServiceTypes: () => [...self.services.keys()],
    hasService: (type) => (self.services.get(type)?.length ?? 0) > 0,
    getServiceRegistrationStatus: statusOf,
    getServiceHealth() {
      const types = new Set([...self.services.keys(), ...statuses.keys()])
      const health = (type: string) => ({
        status: statusOf(type),
        instances: self.services.get(type)?.length ?? 0,
        hasPromise: waiting.has(type),
      })
      return Object.fromEntries([...types].map((type) => [type, health(type)]))
    },
    registerService: register,
    getServiceLoadPromise: (type) => wait(type).promise,
    async begin(service, plugin) {
      const { serviceType: type } = service
      wait(type)
      statuses.set(type, 'pending')
      try {
        await register(service)
      } catch (error) {
        self.logger.error(
          { src: 'agent', agentId: self.agentId, plugin, serviceType: type, error: textOfError(error) },
          'Service registration failed',
        )
        waiting.get(type)?.reject(new Error(`Service ${type} from plugin ${plugin} failed to register: ${textOfError(error)}`))
        waiting.delete(type)
        statuses.set(type, 'failed')
      }
    },
  }
}

async function ready(initialized: Promise<void>, type: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const why = `Service ${type} registration timed out waiting for runtime initialization (30s timeout)`
    timer = setTimeout(() => reject(new Error(why)), readyWithinMs)
  })
  try {
    await Promise.race([initialized, late])
  } finally {
    clearTimeout(timer)
  }
}
