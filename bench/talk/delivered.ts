/** Whether what memory has for a message is in the one request of its turn. */
import { bounded, type Row, shown } from '../report.ts'
import type { SeenRequest } from '../subjects/model-server.ts'
import { expectedFinds } from './lifelike-memory.ts'
import type { TalkMessage } from './lifelike-talk.ts'

export interface Delivered {
  /** Messages for which a search without hurry finds something that is told. */
  readonly finds: number
  /** Of them those whose request carries memory. */
  readonly carried: number
  /** Of the finds, those with a passage that answers in what the search finds, and in the request. */
  readonly answersFound: number
  readonly answersCarried: number
}

/** @param seen first requests by message */
export async function judgeDelivered(
  passages: number,
  messages: readonly TalkMessage[],
  seen: ReadonlyMap<string, SeenRequest>,
): Promise<Delivered> {
  const finds = await expectedFinds(passages, messages)
  const found = messages.filter(({ text }) => finds.has(text))
  const has = (text: string | undefined, { answers }: TalkMessage): boolean => answers.some((each) => text?.includes(each) === true)
  const isCarried = (message: TalkMessage): boolean => {
    const request = seen.get(message.text)
    // What the session was told before is not told again.
    return request !== undefined && (request.isFresh || finds.get(message.text)!.passages.some((each) => request.memory.includes(each)))
  }
  return {
    finds: found.length,
    carried: found.filter(isCarried).length,
    answersFound: found.filter((each) => has(finds.get(each.text)?.text, each)).length,
    answersCarried: found.filter((each) => has(seen.get(each.text)?.memory, each)).length,
  }
}

/** At least this share of the finds is to be in the request of a warm guest. */
const leastCarried = 0.99

export function deliveredRows({ finds, carried, answersFound, answersCarried }: Delivered, where: string): readonly Row[] {
  const share = carried / finds
  return [
    bounded(`memory in the first request${where}`, percent(share), `${carried} of ${finds} finds`, '≥ 99 %', share >= leastCarried),
    shown(`the passage that answers is in it${where}`, `${answersCarried} turns`, `the search without hurry finds it for ${answersFound}`),
  ]
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
