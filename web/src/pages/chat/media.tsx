/** Files in a conversation: pictures and sound as such, everything else by name, all to download. */
import { Download, File } from 'lucide-react'
import type { ReactNode } from 'react'
import type { KeptFile } from '../../../../src/protocol/index.ts'
import { addressInGuest } from '../../data/guest.tsx'
import { bytesText } from '../../ui/layout.tsx'

/** Media types that a page shows by itself; what is neither is offered as a file. */
const pictures = /^image\/(?:png|jpeg|gif|webp|avif)$/
const sounds = /^audio\//
const films = /^video\//

function addressOf({ pieces, name }: KeptFile, isDownload: boolean): string {
  return addressInGuest(`/api/v1/media/${pieces.join(',')}?name=${encodeURIComponent(name)}${isDownload ? '&download=1' : ''}`)
}

interface FileCardProps {
  readonly file: KeptFile
  readonly caption?: string
  /** As the agent sent it: `photo`, `voice` … */
  readonly kind?: string
}

export function FileCard({ file, caption = '', kind = '' }: FileCardProps): ReactNode {
  const { name, media_type: type, bytes, pieces } = file
  const address = addressOf(file, false)
  const isShown = pieces.length > 0 && kind !== 'document'
  return (
    <figure className="chat-file">
      {isShown && pictures.test(type) && (
        <a href={address} target="_blank" rel="noopener">
          <img src={address} alt={caption || name} loading="lazy" />
        </a>
      )}
      {isShown && sounds.test(type) && <audio src={address} controls preload="metadata" aria-label={caption || name} />}
      {isShown && films.test(type) && <video src={address} controls preload="metadata" aria-label={caption || name} />}
      <figcaption>
        <File aria-hidden="true" />
        <span className="chat-file-name">{name}</span>
        <span className="chat-file-facts">{bytesText(bytes)}</span>
        <a
          className="button icon-button"
          data-variant="quiet"
          data-size="s"
          href={addressOf(file, true)}
          download={name}
          aria-label={`Download ${name}`}
        >
          <Download />
        </a>
      </figcaption>
      {caption !== '' && <p className="chat-file-caption">{caption}</p>}
    </figure>
  )
}
