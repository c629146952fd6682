/** What the process of channels is given. */
import { z } from 'zod'

const shortText = z.string().max(1_000)

const channelSettings = z.strictObject({
  name: shortText.describe('As the person calls it.'),
  kind: shortText,
  secrets: z.record(z.string().max(100), z.string().max(20_000)).describe('Tokens and passwords by name.'),
  options: z.record(z.string().max(100), z.string().max(2_000)).describe('What is no secret: addresses, names of servers.'),
})

/** A channel with its secrets. The process of channels has it from a pipe, never from its arguments or environment. */
export type ChannelSettings = z.infer<typeof channelSettings>

/** As a guest says it. */
export const channelsSpec = z.strictObject({
  key: z.string().max(200).describe('An API key with the right `channel.use`, and no other.'),
  menu: z
    .array(z.strictObject({ name: shortText, summary: shortText }))
    .max(100)
    .readonly(),
  channels: z.array(channelSettings).max(100).readonly(),
})

/** What the process of channels gets over its input, besides the address of its guest. It is never an argument, a variable or a file. */
export type ChannelsSpec = z.infer<typeof channelsSpec>
