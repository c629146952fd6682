/** Builds small PDFs for tests (ISO 32000-1, 7.5). */

/** @param pages lines of each page */
export function makePdf(pages: readonly (readonly string[])[], title = ''): Buffer {
  const objects: string[] = []
  const kids = pages.map((_, i) => `${4 + i * 2} 0 R`).join(' ')
  objects.push('<</Type/Catalog/Pages 2 0 R>>', `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`)
  objects.push('<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>')
  for (const [i, lines] of pages.entries()) {
    const content = `BT /F1 12 Tf 10 700 Td ${lines.map((line) => `(${line.replace(/[\\()]/g, '\\$&')}) Tj 0 -20 Td`).join(' ')} ET`
    objects.push(
      `<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents ${5 + i * 2} 0 R/Resources<</Font<</F1 3 0 R>>>>>>`,
      `<</Length ${content.length}>>stream\n${content}\nendstream`,
    )
  }
  objects.push(`<</Title(${title})>>`)
  const body = objects.map((text, i) => `${i + 1} 0 obj${text}endobj\n`).join('')
  return Buffer.from(`%PDF-1.4\n${body}trailer<</Root 1 0 R/Info ${objects.length} 0 R/Size ${objects.length + 1}>>\n%%EOF\n`, 'latin1')
}

/** A PDF of one page with this compressed content stream. */
export function makePackedPdf(packed: Buffer, filter = '/FlateDecode'): Buffer {
  const head = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R>>endobj
4 0 obj<</Length ${packed.length}/Filter${filter}>>stream\n`
  return Buffer.concat([Buffer.from(head), packed, Buffer.from('\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n')])
}
