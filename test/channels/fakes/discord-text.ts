/** Discord's own reading of Markdown: support.discord.com, "Markdown Text 101". */

const apart = '\u200b'

/** @returns the text as people see it @throws Error for what nobody would write on purpose: a mention, an open block of code or mark */
export function readDiscord(text: string): string {
  if (/@(?:everyone|here)/i.test(text)) throw new Error('everybody would be mentioned')
  const pieces = text.split('```')
  if (pieces.length % 2 === 0) throw new Error('a block of code is not closed')
  return pieces.map((piece, index) => (index % 2 === 1 ? piece.replace(/^[\w+#.-]*\n/, '').replace(/\n$/, '') : readInline(piece))).join('')
}

const token =
  /\\([\p{P}\p{S}])|(``[^\n]+?``(?!`)|`[^`\n]+`)|\]\((https?:\/\/[^\s()]+)\)|(https?:\/\/[^\s<>"`|\\]+)|(\*\*|~~|_|\[)|([\s\S])/gu

function readInline(text: string): string {
  const lines = text.split('\n').map((line) => {
    const body = line.startsWith('> ') ? line.slice(2) : line
    if (/^\s*(?:[>#+-]|\d+\.)/.test(body)) throw new Error(`a line begins a block: ${body.slice(0, 80)}`)
    return readLine(body)
  })
  return lines.join('\n')
}

function readLine(line: string): string {
  const open: string[] = []
  let text = ''
  for (const [, escaped, code, link, address, mark, sign] of line.matchAll(token)) {
    if (escaped !== undefined) text += escaped
    else if (code !== undefined) text += code.startsWith('``') ? code.slice(2, -2) : code.slice(1, -1)
    else if (address !== undefined) text += address
    else if (link !== undefined) {
      if (open.pop() !== '[') throw new Error(`a link has no beginning: ${line.slice(0, 200)}`)
    } else if (mark !== undefined) {
      if (mark !== '[' && open.includes(mark)) {
        if (open.pop() !== mark) throw new Error(`marks cross each other: ${line.slice(0, 200)}`)
      } else open.push(mark)
    } else if (/[<`*|\]\\]/.test(sign!)) throw new Error(`${sign} is not escaped: ${line.slice(0, 200)}`)
    else text += sign
  }
  if (open.length > 0) throw new Error(`${open.join(' ')} is not closed: ${line.slice(0, 200)}`)
  return text.replaceAll(apart, '')
}
