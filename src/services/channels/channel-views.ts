/** Channels as a person is shown them: what each is, whether it works, and what waits. */
import { z } from 'zod'
import type { Channels } from './open-channels.ts'

/** A channel, as a person is shown it. */
export const channelView = z.strictObject({
  name: z.string(),
  kind: z.string(),
  state: z.enum(['starting', 'up', 'down', 'failed', 'paused']),
  why: z.string().describe('Why it does not work; empty: it does.'),
  since: z.number(),
  account: z.string().describe('As the platform shows it.'),
  link: z.string().describe('How people come to it.'),
  console: z.string().describe('What is still to be done on the platform.'),
  waiting: z.int().describe('Messages that wait for their turn.'),
  undelivered: z.int().describe('Deliveries that are under way.'),
  failed: z.int().describe('Deliveries that were given up, or whose end nobody knows.'),
  identities: z.int(),
})

type ChannelView = z.infer<typeof channelView>

/** In the order of their names. */
export async function viewsOf(channels: Channels): Promise<readonly ChannelView[]> {
  const [all, chats, open, identities] = await Promise.all([
    channels.all(),
    channels.chats.all(),
    channels.outbox.open(),
    channels.identities.all(),
  ])
  const views = all.map(async ({ name, kind, state, self }): Promise<ChannelView> => {
    const health = channels.health(name)
    const of = (each: { readonly channel: string }): boolean => each.channel === name
    return {
      name,
      kind,
      ...health,
      ...(state === 'paused' && { state, why: '' }),
      account: self?.name ?? '',
      link: self?.link.replace(/[?&]\w+=CODE$/, '') ?? '',
      console: self?.console ?? '',
      waiting: chats.filter(of).reduce((sum, { queue, running }) => sum + queue.length + (running === null ? 0 : 1), 0),
      undelivered: open.filter(of).length,
      failed: (await channels.outbox.failed(name)).length,
      identities: identities.filter(of).length,
    }
  })
  return Promise.all(views)
}

/** @throws OxbowError `not_found` */
export async function viewOf(channels: Channels, name: string): Promise<ChannelView> {
  await channels.get(name)
  return (await viewsOf(channels)).find((each) => each.name === name)!
}
