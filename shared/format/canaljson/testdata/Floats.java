// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;

/** Prints its own version and then, per line "32 bits" or "64 bits" of hex, the number as Java shows it. */
public class Floats {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        PrintWriter out = new PrintWriter(System.out);
        out.println(Runtime.version().feature());
        for (String line; (line = in.readLine()) != null; ) {
            String bits = line.substring(3);
            if (line.startsWith("32")) {
                out.println(Float.toString(Float.intBitsToFloat(Integer.parseUnsignedInt(bits, 16))));
            } else {
                out.println(Double.toString(Double.longBitsToDouble(Long.parseUnsignedLong(bits, 16))));
            }
        }
        out.flush();
    }
}
