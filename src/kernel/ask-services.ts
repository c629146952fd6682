/**
 * Opens each service once, with its first use, and asks it for its parts within a time: one that throws or hangs is named, what needs it is
 * told why, and the others work on.
 */
import { isOxbowError, errorMessage, once, OxbowError } from '../base/index.ts'
import type { ServiceProblem } from '../protocol/index.ts'
import type { SectionAgent } from './calls/registry.ts'
import type { Core, Opened, Service } from './service.ts'

/** How long a service may take for what the core asks of it. Its calls have limits of their own. */
const patienceMs = 30_000

export interface Asked {
  /** @throws OxbowError which names the service; it is among the problems until this part of it works */
  ask<Part>(of: Service, part: string, work: () => Promise<Part>): Promise<Part>
  /** @returns undefined where it fails */
  tryAsk<Part>(of: Service, part: string, work: () => Promise<Part>): Promise<Part | undefined>
  /** @returns what to tell those who need this part: that the service does not work, and why */
  failed(of: Service, part: string, error: unknown): OxbowError
  /** One for each service that does not work. */
  problems(): readonly ServiceProblem[]
}

export function askServices(ms: number = patienceMs): Asked {
  const problems = new Map<string, ServiceProblem>()
  const failed: Asked['failed'] = (of, part, error) => {
    // What asks for the port of its own service has failed for the same reason.
    const told = isOxbowError(error) && error.data['service'] === of.name ? error : doesNotWork(of.name, error)
    problems.set(`${of.name}/${part}`, { name: of.name, problem: textOf(told.data['problem']) })
    return told
  }
  const ask: Asked['ask'] = async (of, part, work) => {
    try {
      const answer = await inTime(work, ms)
      problems.delete(`${of.name}/${part}`)
      return answer
    } catch (error) {
      throw failed(of, part, error)
    }
  }
  return {
    ask,
    failed,
    tryAsk: async (...asked) => ask(...asked).catch(() => undefined),
    problems: () => [...new Map([...problems.values()].map((each) => [each.name, each])).values()],
  }
}

/** @throws Error where the work is not done by then */
export async function inTime<Part>(work: () => Promise<Part>, ms: number): Promise<Part> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`it has not answered within ${ms / 1_000} seconds`)), ms)
  timer.unref()
  try {
    return await Promise.race([work(), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function doesNotWork(service: string, error: unknown): OxbowError {
  const problem = errorMessage(error)
  return new OxbowError('internal_failure', `The service ${service} does not work: ${problem}`, {
    hint: 'The rest of Oxbow does. `oxbow doctor` says more; `oxbow restart` tries it again.',
    data: { service, problem },
    cause: error,
  })
}

type AnyPorts = Readonly<Record<string, () => Promise<unknown>>>

export interface OpenServices {
  /** @throws as `Asked.ask`; a late one is refused at once until it has opened after all, and one that has failed is tried again */
  open(of: Service): Promise<Opened<unknown>>
  port(of: Service): () => Promise<unknown>
  portsOf(of: Service): AnyPorts
  isOpen(of: Service): Promise<boolean>
  /** Stops those that are open, at once, and those that are opening; what opens later still stops as soon as it has opened. */
  close(): Promise<void>
  /** Frees what running calls use; call when the last has ended. */
  release(): Promise<void>
}

/** One that is opening, or open. */
interface Opening {
  /** For those who need it. */
  answer: Promise<Opened<unknown>>
  /** Nobody waits for it any more. */
  isGivenUp: boolean
}

export function openServices(core: () => Core, { ask, failed }: Asked): OpenServices {
  const opening = new Map<Service, Opening>()
  const made: Opened<unknown>[] = []
  /** Each behind what it needs: what was opened last is to stop first. */
  const whole: Opened<unknown>[] = []
  const stopped = new Set<Opened<unknown>>()
  const stop = async (all: readonly Opened<unknown>[]): Promise<void> => {
    const left = all.filter((each) => !stopped.has(each))
    for (const each of left) stopped.add(each)
    // What one of them throws keeps no other from stopping.
    await Promise.allSettled(left.map(async (each) => each.close?.()))
  }
  const openOne = async (of: Service, begun: Opening): Promise<Opened<unknown>> => {
    const each = (await of.open?.(core(), portsOf(of))) ?? { port: null }
    made.push(each)
    if (begun.isGivenUp) {
      await stop([each])
      await each.release?.()
      throw new Error('the guest is stopping')
    }
    await each.recover?.().catch((error: unknown) => void failed(of, 'recover', error))
    whole.push(each)
    return each
  }
  const open = (of: Service): Promise<Opened<unknown>> => {
    const found = opening.get(of)
    if (found !== undefined) return found.answer
    const begun: Opening = { answer: new Promise(() => {}), isGivenUp: false }
    opening.set(of, begun)
    const coming = openOne(of, begun)
    const answer = (): Promise<Opened<unknown>> => (begun.answer = ask(of, 'open', () => coming))
    answer().catch(() => {})
    // One that was late works from now on.
    coming.then(answer, () => opening.delete(of))
    return begun.answer
  }
  const port = (of: Service) => async (): Promise<unknown> => (await open(of)).port
  const portsOf = ({ needs = {} }: Service): AnyPorts =>
    Object.fromEntries(Object.entries(needs).map(([name, needed]) => [name, port(needed)]))
  return {
    open,
    port,
    portsOf,
    isOpen: async (of) => ((await opening.get(of)?.answer.catch(() => null)) ?? null) !== null,
    async close() {
      await stop(whole.toReversed())
      await Promise.all([...opening.values()].map(async (begun) => begun.answer.catch(() => (begun.isGivenUp = true))))
      await stop(made.toReversed())
    },
    release: async () => void (await Promise.allSettled(made.toReversed().map(async (each) => each.release?.()))),
  }
}

/** @returns the sections of the system prompt, one behind the other. @param load with the first prompt */
export function holdSections(
  load: () => Promise<readonly ((agent: SectionAgent) => Promise<string | undefined>)[]>,
): (agent: SectionAgent) => Promise<string> {
  const sections = once(load)
  return async (agent) => {
    const texts = await Promise.all((await sections()).map(async (section) => section(agent)))
    return texts.filter((text) => text !== undefined && text !== '').join('\n\n')
  }
}
