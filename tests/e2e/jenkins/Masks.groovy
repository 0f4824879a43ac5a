import java.util.regex.Matcher
import java.util.regex.Pattern

/** How two plugins hide values in the log, line by line. */
class Masks {
    /** Credentials Binding: the value as it is, quoted for shells, and in base64 at three alignments. */
    static Closure credentials(List<String> values) {
        Set<String> forms = values.collectMany { [it, it.replace("'", "'\\''"), it.replace('$', '$$')] + base64(it) }
        return replacing(forms.findAll { it.size() >= 3 }.sort { -it.size() }, '****')
    }

    /** Mask Passwords: the value as it is, and URL-encoded; not sorted. */
    static Closure passwords(List<String> values) {
        return replacing(values.findAll().collectMany { [it, URLEncoder.encode(it, 'UTF-8')] }, '********')
    }

    private static Closure replacing(Collection<String> forms, String stars) {
        if (!forms) { return { String line -> line } }
        def pattern = ~forms.collect { Pattern.quote(it) }.join('|')
        return { String line -> pattern.matcher(line).replaceAll(Matcher.quoteReplacement(stars)) }
    }

    /** The characters that every text with `value` in it has, whatever stands before and after it. */
    private static List<String> base64(String value) {
        List<String> stable = (0..2).collect { shift ->
            byte[] shifted = ([0] * shift + (value.getBytes('UTF-8') as List)) as byte[]
            shifted.encodeBase64().toString().substring([0, 2, 3][shift], (shifted.length * 8).intdiv(6))
        }
        return stable + stable*.tr('+/', '-_')
    }
}
