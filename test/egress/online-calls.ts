/** The calls of `shell.*` over a bench with a way out, as a conversation makes them. */
import { builtinCalls } from '../../src/tools/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { CallContext, Done } from '../../src/protocol/index.ts'
import { newId } from '../support/conversation.ts'
import type { OnlineBench } from './online-fixture.ts'

export type OnlineCall = (name: string, input: object, session?: string) => Promise<Done<any>>

/** @param recorded gets what the calls put on record. */
export function onlineCalls({ bench, proxy }: OnlineBench, recorded: JsonObject[] = []): OnlineCall {
  const profiles = ['work', 'online'] as const
  const web = { egress: { fetch: () => Promise.reject(new Error('unused')) }, robots: 'ignore', proxy } as const
  const calls = builtinCalls({ files: true, shell: true, profiles }, web)
  return async (name, input, session = 's1') => {
    const found = calls.find((each) => each.name === name)!
    const context = {
      id: newId(),
      caller: { session, audience: 'model' },
      signal: new AbortController().signal,
      sandbox: bench.sandbox,
      record: (body: JsonObject) => void recorded.push(body),
    } as unknown as CallContext
    const done: Done<any> = await found.run(found.input.parse(input), context)
    found.output.parse(done.output)
    return done
  }
}
