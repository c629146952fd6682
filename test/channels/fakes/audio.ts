/** Audio that needs no program: Opus in Ogg as voice messages are, and silence as WAV. */

/** @returns so many seconds of silence; each page has a second of packets of 20 ms */
export function oggOf(seconds: number): Buffer {
  const head = Buffer.from('OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00', 'latin1')
  const tags = Buffer.from('OpusTags\x04\x00\x00\x00test\x00\x00\x00\x00', 'latin1')
  // SILK, 20 ms, one frame; and two bytes of it.
  const packet = Buffer.from([0x08, 0x0b, 0xe4])
  const pages = Array.from({ length: Math.ceil(seconds) }, (_, index) =>
    pageOf(
      index + 2,
      Array.from({ length: Math.round(50 * Math.min(1, seconds - index)) }, () => packet),
    ),
  )
  return Buffer.concat([pageOf(0, [head]), pageOf(1, [tags]), ...pages])
}

/** RFC 3533; nobody here looks at its checksum. */
function pageOf(index: number, packets: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(27)
  head.write('OggS')
  head[5] = index === 0 ? 2 : 0
  // What it says of its length is wrong, as anybody can write it.
  head.writeBigInt64LE(index < 2 ? 0n : 960n, 6)
  head.writeUInt32LE(index, 18)
  head[26] = packets.length
  return Buffer.concat([head, Buffer.from(packets.map((each) => each.length)), ...packets])
}

/** 16 kHz, one channel. */
export function wavOf(seconds: number): Buffer {
  const bytes = seconds * 32_000
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + bytes, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(16_000, 24)
  head.writeUInt32LE(32_000, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(bytes, 40)
  return Buffer.concat([head, Buffer.alloc(bytes)])
}
