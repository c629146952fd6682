/** What a workspace of Slack holds, and the checks of its blocks: docs.slack.dev/reference/block-kit/blocks. */
import type { KnownBlock } from '@slack/types'
import { readMrkdwn } from './slack-text.ts'

export const team = 'T0001'
export const me = { user: 'U0BOT', bot: 'B0BOT', name: 'oxbow' } as const
export const groupChannel = 'C0GROUP'

/** An answer `ok: false`. */
export class SlackRefusal extends Error {
  readonly more: object
  constructor(error: string, more: object = {}) {
    super(error)
    this.more = more
  }
}

/** A message of the workspace, by anybody. */
export interface Held {
  readonly ts: string
  readonly channel: string
  readonly thread: string
  readonly user: string
  text: string
  blocks: KnownBlock[]
  readonly metadata?: object
  readonly files: readonly HeldFile[]
  edits: number
  readonly states: string[]
}

/** A file: first its bytes, then it is shared. */
export interface HeldFile {
  readonly id: string
  readonly name: string
  title: string
  readonly length: number
  bytes: Uint8Array | null
  /** What else a message says of it. */
  readonly facts?: { readonly url_private_download: string; readonly subtype?: string; readonly mimetype?: string }
}

/** All that changes. */
export interface SlackState {
  readonly token: string
  readonly appToken: string
  scopes: string
  isRevoked: boolean
  isRepeating: boolean
  throttleS: number
  losesAnswer: boolean
  refusesConnection: boolean
  removedFrom: Set<string>
  readonly messages: Held[]
  readonly files: Map<string, HeldFile>
  readonly channels: Set<string>
  readonly shown: Map<string, PromiseWithResolvers<string>>
  readonly requests: Map<string, number>
  readonly recent: Map<string, number[]>
  readonly acknowledged: string[]
  last: number
  /** By how much its clock differs from this machine's. */
  clockOffMs: number
}

/** @returns a timestamp that no other message has */
export function nextTs(state: SlackState, at: number = Date.now() + state.clockOffMs): string {
  state.last = Math.max(state.last + 1, at * 1_000)
  return `${Math.floor(state.last / 1_000_000)}.${String(state.last % 1_000_000).padStart(6, '0')}`
}

/** @throws SlackRefusal for blocks that the platform would not take */
export function checkBlocks(blocks: readonly KnownBlock[]): void {
  if (blocks.length > 50) throw new SlackRefusal('invalid_blocks')
  const ids = new Set<string>()
  for (const block of blocks) {
    if (block.type === 'section') {
      const { type, text = '' } = block.text ?? { type: 'mrkdwn' }
      if (text.length < 1 || text.length > 3_000) throw new SlackRefusal('invalid_blocks')
      if (type === 'mrkdwn') readMrkdwn(text)
    } else if (block.type === 'actions') {
      if (block.elements.length < 1 || block.elements.length > 25) throw new SlackRefusal('invalid_blocks')
      for (const element of block.elements) {
        if (element.type !== 'button') throw new SlackRefusal('invalid_blocks')
        const { action_id: id = '', value = '', text } = element
        if (id === '' || id.length > 255 || ids.has(id)) throw new SlackRefusal('invalid_blocks')
        if (value.length > 2_000 || text.text.length < 1 || text.text.length > 75) throw new SlackRefusal('invalid_blocks')
        ids.add(id)
      }
    } else throw new SlackRefusal('invalid_blocks')
  }
}

/** @returns what people see */
export function shownText({ text, blocks }: Pick<Held, 'text' | 'blocks'>): string {
  const sections = blocks.flatMap((block) => (block.type === 'section' && block.text !== undefined ? [block.text] : []))
  if (sections.length === 0) return readMrkdwn(text)
  return sections.map((each) => (each.type === 'mrkdwn' ? readMrkdwn(each.text) : each.text)).join('\n')
}
