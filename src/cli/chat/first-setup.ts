/**
 * First-run set-up: a person who chats with the offline interpreter, because nothing else is set up, is told of the model services
 * that run on this machine, and how to use them. It happens beside the conversation, and is silent when it finds nothing or fails.
 */
import type { Config, GuestStatus } from '../../types/index.ts'
import { shownServices } from '../limits.ts'
import type { FoundService } from '../view/service-text.ts'
import { isOffline } from '../view/status-text.ts'
import { plainText } from '../view/terminal-text.ts'

interface Setup {
  readonly status: Pick<GuestStatus, 'model'>
  readonly config: Pick<Config, 'model'>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** True when the interpreter is there because nobody has chosen; who chose it, or a machine that builds, is left in peace. */
export function needsSetup({ status, config: { model }, env }: Setup): boolean {
  const isCi = !['', '0', 'false'].includes((env['CI'] ?? '').trim().toLowerCase())
  return isOffline(status) && model.provider === 'auto' && model.name === '' && !isCi
}

/**
 * @param services what answers on this machine, one at a time; left when time is over
 * @param configFile where the lines that use a service belong
 * @returns what to tell, or null; never rejects
 */
export async function lookForServices(services: AsyncGenerator, configFile: string, lookMs: number): Promise<string | null> {
  const over = Promise.withResolvers<null>()
  const timer = setTimeout(() => over.resolve(null), lookMs)
  const found: FoundService[] = []
  const look = async (): Promise<FoundService[]> => {
    for await (const service of services) found.push(service as FoundService)
    return found
  }
  const looked = look().catch(() => found)
  const all = (await Promise.race([looked, over.promise])) ?? [...found]
  clearTimeout(timer)
  // A generator that is in the middle of a step takes its end to heart after that step.
  void services.return(undefined).catch(() => {})
  return describeSetup(all, configFile)
}

function describeSetup(found: readonly FoundService[], configFile: string): string | null {
  const usable = found.filter(({ configLines }) => configLines.length > 0)
  const [first, ...others] = usable
  if (first === undefined) return null
  const more = others.slice(0, shownServices).map(({ name, baseUrl }) => `${name} at ${baseUrl}`)
  return plainText(
    [
      `${first.name} runs on this machine. To talk with its model ${first.models[0]?.name ?? ''}, start oxbow again with this in`,
      `${configFile}:`,
      ...first.configLines.map((line) => (line === '' ? '' : `    ${line}`)),
      ...(more.length === 0 ? [] : [`Also here: ${more.join(', ')}.`]),
      'oxbow models --discover shows all models and how to use each service.',
    ].join('\n'),
  )
}
