import java.io.*;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.*;
import java.util.zip.*;

/** Prints name (hexadecimal) and SHA-256 of each entry, as ZipInputStream or ZipFile reads it. */
public class Readers {
    public static void main(String[] args) throws Exception {
        var out = new PrintStream(new BufferedOutputStream(System.out));
        if (args[0].equals("stream")) {
            try (var zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(args[1])))) {
                for (ZipEntry e; (e = zip.getNextEntry()) != null; ) {
                    print(out, e, zip);
                }
            }
        } else {
            try (var zip = new ZipFile(args[1])) {
                for (var e : Collections.list(zip.entries())) {
                    print(out, e, zip.getInputStream(e));
                }
            }
        }
        out.flush();
    }

    static void print(PrintStream out, ZipEntry e, InputStream content) throws Exception {
        var sha = MessageDigest.getInstance("SHA-256");
        var buffer = new byte[1 << 16];
        for (int n; (n = content.read(buffer)) >= 0; ) {
            sha.update(buffer, 0, n);
        }
        var hex = HexFormat.of();
        out.println(hex.formatHex(e.getName().getBytes(StandardCharsets.UTF_8)) + " " + hex.formatHex(sha.digest()));
    }
}
