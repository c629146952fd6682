import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readQuestion } from './read-question.ts'
import { maxTermLength } from './text-limits.ts'
import { termsOf } from './terms.ts'
import { scaled } from '../../../test/support/scale.ts'

const terms = (text: string): string => termsOf(text).join(' ')
/** Does a question of this word share a term with the text, while another text does not? */
const finds = (word: string, text: string): boolean => {
  const kept = new Set(termsOf(text))
  return readQuestion(word).terms.some((term) => kept.has(term))
}
const same = (one: string, other: string): void => assert.equal(terms(one), terms(other), `${one} and ${other}`)

void describe('terms', () => {
  void it('are the same for what reads the same', () => {
    same('Café', 'CAFE\u0301')
    same('café', 'cafe')
    same('ﬁne ＡＢＣ', 'fine abc')
    same('Straße', 'STRASSE')
    same('Łódź Ørsted', 'lodz orsted')
    same('ёлка', 'елка')
    same('здоровʼя', "здоров'я")
    same('Hawaiʻi', 'Hawai’i')
    same('Ἀθῆναι', 'αθηναι')
    same('مَدْرَسَة', 'مدرسه')
    same('lo\u200bve\u202e \u2066me\u2069', 'love me')
    same('ｶﾀｶﾅ', 'カタカナ')
    same('한국', '한국'.normalize('NFD'))
    for (const [one, other] of [
      ['мой', 'мои'],
      ['か', 'が'],
      ['กา', 'กำ'],
      ['कि', 'का'],
      ['결', '겔'],
    ] as const)
      assert.notEqual(terms(one), terms(other))
  })

  void it('bring together the forms of a word', () => {
    for (const [one, other] of [
      ['stories', 'story'],
      ['planned', 'planning'],
      ['bought', 'buys'],
      ['children', 'child'],
      ['школой', 'школа'],
      ['σχολεία', 'σχολείο'],
      ['الكتاب', 'كتاب'],
      ['المكتبة', 'مكتبة'],
      ['السيارةِ', 'سياره'],
      ['المياه', 'مياه'],
      ['بالمدرسة', 'مدرسة'],
      ['الشقة', 'شقة'],
      ["the ox's", 'the ox'],
      ['U.S.', 'us'],
    ] as const)
      same(one, other)
  })

  void it('have names whole and in their parts', () => {
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['see src/memory/recall.ts!', ['src/memory/recall.ts', 'memori', 'recal', 'ts']],
      ['getUserName()', ['getusernam', 'user', 'name']],
      ['HTTPServer', ['httpserver', 'http', 'server']],
      ['MAX_RETRY_COUNT', ['max_retry_count', 'retri', 'count']],
      ['v24.21.0', ['v24.21.0', '24', '21']],
      ['ERR_SOCKET_CLOSED', ['err_socket_closed', 'socket']],
      ['mail ada@example.org.', ['ada@example.org', 'ada', 'org']],
      ['https://example.org/a?b=c.', ['https://example.org/a?b=c', 'http', 'exampl']],
      ['1,234,567 and 3.14', ['1,234,567', '1234567', '3.14']],
      ['on 2026-11-21 at 10:30', ['2026-11-21', '2026', '11', '10:30']],
      ['C++ and C#', ['c++', 'c#']],
      ['C++로 쓰고 C#은', ['c++', 'c#', 'c']],
      ['C++11/C++14, C#/.NET', ['c++11/c++14', 'c++', 'c#', '14']],
      ['sha256', ['sha256', 'sha', '256']],
      ["don't", ['dont']],
    ]
    for (const [text, wanted] of cases)
      for (const term of wanted) assert.ok(termsOf(text).includes(term), `${term} of ${text}: ${terms(text)}`)
    assert.deepEqual(termsOf('apples,oranges'), termsOf('apples oranges'))
  })

  void it('find a word inside sentences of scripts without spaces', () => {
    const cases: readonly (readonly [string, string, readonly string[]])[] = [
      ['Chinese', '我昨天在北京大学图书馆借了一本关于猫的书', ['图书馆', '北京', '大学', '猫', '书']],
      ['Japanese', '昨日、東京でラーメンを食べながら猫の写真を見ました', ['東京', 'ラーメン', '食べる', '写真', '猫', 'ながら']],
      ['Korean', '나는 어제 학교에서 책을 읽고 서울까지 걸었다', ['학교', '책', '서울', '어제']],
      ['Thai', 'พรุ่งนี้แม่จะไปตลาดซื้อแมวสีดำที่โรงเรียน', ['ตลาด', 'แมว', 'โรงเรียน', 'แม่']],
      ['Lao', 'ຂ້ອຍມັກກິນເຂົ້າຢູ່ໂຮງຮຽນ', ['ເຂົ້າ', 'ໂຮງຮຽນ']],
      ['Khmer', 'ខ្ញុំចូលចិត្តញ៉ាំបាយនៅសាលារៀន', ['បាយ', 'សាលារៀន']],
      ['Burmese', 'ကျွန်တော်ကျောင်းမှာထမင်းစားတယ်', ['ကျောင်း', 'ထမင်း']],
    ]
    for (const [language, sentence, words] of cases) {
      for (const word of words) assert.ok(finds(word, sentence), `${language}: ${word} in ${terms(sentence)}`)
    }
    // A word of one character within a question, and a stem of one character.
    for (const [question, sentence] of [
      ['猫はどこ？', '昨日、図書館で猫を見ました'],
      ['本を読む', '毎晩読みます'],
      ['車の鍵は？', '鍵を引き出しに入れた'],
      ['猫在哪里？', '我的猫睡觉了'],
      ['我的车停在哪里', '车在地下二层'],
      ['书叫什么名字', '我昨天买了一本书'],
    ] as const)
      assert.ok(finds(question, sentence), `${question}: ${readQuestion(question).terms.join(' ')}`)
    // And not everywhere.
    for (const [word, text] of [
      ['图书馆', '我喜欢吃苹果'],
      ['학교', '나는 물을 마셨다'],
      ['ตลาด', 'ฉันชอบกินข้าว'],
      ['東京', '大阪に行きました'],
      ['我的狗在哪里', '我在家里看他的书'],
      ['私の犬は何時に来る', '私は今日時計を買った'],
    ] as const)
      assert.equal(finds(word, text), false, word)
  })

  void it('find emoji, with or without a tone, and what one is made of', () => {
    for (const [word, text] of [
      ['👍', 'well done 👍🏽!'],
      ['👍🏿', 'ok👍'],
      ['💻', 'a 👩🏽‍💻 at work'],
      ['👩‍💻', 'a 👩🏽‍💻'],
      ['❤', 'I ❤️ oxen'],
      ['🇩🇪', 'from 🇩🇪🇫🇷'],
    ] as const)
      assert.ok(finds(word, text), word)
    assert.equal(finds('🇩🇪', 'from 🇫🇷'), false)
    assert.equal(terms('ox™ ©').includes('©'), false)
  })

  void it('keep their promises for any text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: 'grapheme', maxLength: 100 }),
      fc
        .array(fc.constantFrom('a.b', '漢字', '한글은', 'ไทย', '👩‍💻', "o'x", 'camelCase', '1,2', '\u0301', '\ud800', ' ', '_', 'é'), {
          maxLength: 30,
        })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (each) => {
        const made = [...termsOf(each), ...readQuestion(each).terms]
        for (const term of made) {
          assert.ok(term.length > 0 && term.length <= maxTermLength, JSON.stringify(term))
          assert.ok(term.isWellFormed() && !/[\s\p{Cc}\p{Lu}]/u.test(term), JSON.stringify(term))
        }
      }),
      { numRuns: scaled(1_000) },
    )
  })

  void it("of two texts side by side are each text's terms", () => {
    const words = fc
      .array(fc.constantFrom('oxen', 'src/main.ts', '漢字', '학교에서', 'U.S.', "don't", '3.14', 'ตลาด', 'camelCase'), { maxLength: 8 })
      .map((all) => all.join(' '))
    fc.assert(
      fc.property(words, words, (one, other) => assert.deepEqual(termsOf(`${one} ; ${other}`), [...termsOf(one), ...termsOf(other)])),
    )
  })

  void it('of a megabyte of anything take time that grows with it', () => {
    for (const unit of ['a', "a'", 'a.', '1,', '漢', 'ก', 'é', '\u0301', '👩\u200d', '🇩', '가', 'a_', 'aB', '(', 'A', '/', '"']) {
      const count = termsOf(unit.repeat(200_000)).length
      assert.ok(count <= 800_000)
      readQuestion(unit.repeat(200_000))
    }
    assert.deepEqual(termsOf('x'.repeat(1_000_000)), ['x'.repeat(maxTermLength)])
  })
})

void describe('a question', () => {
  void it('has the words that matter, and all of them when none does', () => {
    assert.deepEqual(readQuestion('What did Ada tell you about the blue whales?').terms, ['ada', 'blue', 'whale'])
    assert.deepEqual(readQuestion('Who is The Who?').terms, ['who', 'is', 'the'])
    assert.deepEqual(readQuestion('??? !!').terms, [])
  })

  void it('knows what must stand as it is written', () => {
    const exact = (text: string): readonly string[] => readQuestion(text).exact
    assert.deepEqual(exact('Who said "over my dead body" in «le bœuf»?'), ['over my dead body', 'le bœuf'])
    assert.deepEqual(exact('What is E1234 in /etc/hosts.conf, v24.21.0 and fooBar?'), ['E1234', '/etc/hosts.conf', 'v24.21.0', 'fooBar'])
    assert.deepEqual(exact('Call ada@example.org or +49-170-555 on 2026-11-21.'), ['ada@example.org', '+49-170-555', '2026-11-21'])
    assert.deepEqual(exact('What\'s he/she and well-known in 3 words, e.g. "?'), [])
    assert.deepEqual(exact('「東京」はどこですか'), ['東京'])
  })

  void it('has its parts', () => {
    const parts = (text: string): readonly string[] => readQuestion(text).parts
    assert.deepEqual(parts('Where does Ada live and when did she move there?'), ['Where does Ada live', 'when did she move there'])
    assert.deepEqual(parts('Who has the key? Where is the yoke?'), ['Who has the key', 'Where is the yoke'])
    assert.deepEqual(parts('salt and pepper for Ada'), ['salt and pepper for Ada'])
    assert.equal(parts('one? two? three? four? five? six?'.replaceAll(/(\w+)/g, 'ox $1')).length, 4)
  })

  void it('is bounded, whatever is pasted into it', () => {
    const { terms: made, exact, parts } = readQuestion(Array.from({ length: 5_000 }, (_, place) => `"w${place} x"? E${place}`).join(' '))
    assert.deepEqual([made.length, exact.length, parts.length], [64, 8, 4])
  })
})
