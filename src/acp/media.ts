/** Files that an agent sends to the person, in the conversation of an editor: pictures as they are, all others by name. */
import type { ContentBlock } from '@agentclientprotocol/sdk'
import type { SentMedia } from '../protocol/index.ts'
import { mediaLine } from '../terminal/index.ts'
import { maxPictureBytes } from './limits.ts'
import type { GuestLink } from './guest-link.ts'

/** @returns null where the guest cannot be asked; never throws */
export async function showMedia(media: SentMedia, link: GuestLink): Promise<ContentBlock | null> {
  const named: ContentBlock = { type: 'text', text: `\n\n*Sent: ${mediaLine(media)}*\n\n` }
  if (!media.media_type.startsWith('image/') || media.bytes > maxPictureBytes) return named
  try {
    const pieces: Buffer[] = []
    for (const piece of media.pieces) {
      const outcome = await (await link.gateway()).call('media.read', { piece })
      if (outcome.status !== 'ok') return named
      pieces.push(Buffer.from(outcome.output.data, 'base64'))
    }
    return { type: 'image', mimeType: media.media_type, data: Buffer.concat(pieces).toString('base64') }
  } catch {
    return null
  }
}
